#include "drivers/pgwire/backend.h"

#include "drivers/pgwire/tests/message_cases.h"

namespace howdah::pgwire {
namespace {

using namespace testing;

const std::optional<Bytes> kRow[] = {"1", std::nullopt, ""};
const Oid kTypes[] = {23, 1043};
const Bytes kOptions[] = {"_pq_.a", "_pq_.b"};
const std::int16_t kColumns[] = {1, 1};
const FieldDescription kFields[] = {
    {.name = "id", .table = 16385, .column = 1, .type = 20, .type_size = 8, .format = kBinaryFormat},
    {.name = "?column?", .type = 1043, .type_size = -1, .type_modifier = 14}};

template <class Message>
bool reads(Bytes body, void (*check)(const Message&)) {
  Message message;
  if (!decode(body, message)) return false;
  check(message);
  return true;
}

const MessageCase kMessages[] = {
    {"ParameterStatus", "S\0\0\0\x0dTimeZo\0X\0"sv,
     [](std::string& out) { append_parameter_status(out, "TimeZo", "X"); },
     [](Bytes body) {
       return reads<ParameterStatus>(body, [](const ParameterStatus& m) {
         EXPECT_EQ(m.name, "TimeZo");
         EXPECT_EQ(m.value, "X");
       });
     }},
    {"ReadyForQuery", "Z\0\0\0\5T"sv,
     [](std::string& out) { append_ready_for_query(out, TxStatus::kInTransaction); },
     [](Bytes body) {
       return reads<ReadyForQuery>(
           body, [](const ReadyForQuery& m) { EXPECT_EQ(m.status, TxStatus::kInTransaction); });
     }},
    {"CommandComplete", "C\0\0\0\x0dSELECT 3\0"sv,
     [](std::string& out) { append_command_complete(out, "SELECT 3"); },
     [](Bytes body) {
       return reads<CommandComplete>(body, [](const CommandComplete& m) { EXPECT_EQ(m.tag, "SELECT 3"); });
     }},
    {"RowDescription",
     "T\0\0\0\x36\0\2id\0\0\0\x40\1\0\1\0\0\0\x14\0\x08\xff\xff\xff\xff\0\1"
     "?column?\0\0\0\0\0\0\0\0\0\4\x13\xff\xff\0\0\0\x0e\0\0"sv,
     [](std::string& out) { append_row_description(out, kFields); },
     [](Bytes body) {
       return reads<RowDescription>(body, [](const RowDescription& m) {
         EXPECT_EQ(m.count, 2);
         Bytes rest = m.fields;
         FieldDescription field;
         for (const FieldDescription& expected : kFields) {
           EXPECT_TRUE(RowDescription::next(rest, field));
           EXPECT_EQ(field, expected);
         }
         EXPECT_FALSE(RowDescription::next(rest, field));
       });
     }},
    {"RowDescription without columns", "T\0\0\0\6\0\0"sv,
     [](std::string& out) { append_row_description(out, {}); },
     [](Bytes body) {
       return reads<RowDescription>(body, [](const RowDescription& m) { EXPECT_EQ(m.count, 0); });
     }},
    {"RowDescription of texts", "T\0\0\0\x1a\0\1n\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"sv,
     [](std::string& out) { append_text_row_description(out, {"n"}); },
     [](Bytes body) {
       return reads<RowDescription>(body, [](const RowDescription& m) { EXPECT_EQ(m.count, 1); });
     }},
    {"DataRow",
     "D\0\0\0\x13\0\3\0\0\0\1"
     "1\xff\xff\xff\xff\0\0\0\0"sv,
     [](std::string& out) { append_data_row(out, kRow); },
     [](Bytes body) {
       return reads<DataRow>(body, [](const DataRow& m) {
         EXPECT_EQ(m.values.count, 3);
         EXPECT_EQ(m.values.at(0).bytes, "1");
         EXPECT_TRUE(m.values.at(1).null);
         EXPECT_FALSE(m.values.at(2).null);
       });
     }},
    {"ParameterDescription", "t\0\0\0\x0e\0\2\0\0\0\x17\0\0\4\x13"sv,
     [](std::string& out) { append_parameter_description(out, kTypes); },
     [](Bytes body) {
       return reads<ParameterDescription>(body, [](const ParameterDescription& m) {
         EXPECT_EQ(m.count, 2);
         EXPECT_EQ(m.type(1), 1043U);
         EXPECT_EQ(m.type(2), 0U);
       });
     }},
    {"NotificationResponse", "A\0\0\0\x0d\0\0\1\0ch\0p\0"sv,
     [](std::string& out) { append_notification(out, 256, "ch", "p"); },
     [](Bytes body) {
       return reads<Notification>(body, [](const Notification& m) {
         EXPECT_EQ(m.pid, 256);
         EXPECT_EQ(m.channel, "ch");
         EXPECT_EQ(m.payload, "p");
       });
     }},
    {"NegotiateProtocolVersion", "v\0\0\0\x1a\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0"sv,
     [](std::string& out) { append_negotiate_protocol_version(out, 0, kOptions); },
     [](Bytes body) {
       return reads<NegotiateProtocolVersion>(body, [](const NegotiateProtocolVersion& m) {
         EXPECT_EQ(m.minor, 0);
         EXPECT_EQ(m.count, 2);
         EXPECT_EQ(m.options, "_pq_.a\0_pq_.b\0"sv);
       });
     }},
    {"CopyInResponse", "G\0\0\0\x0b\1\0\2\0\1\0\1"sv,
     [](std::string& out) { append_copy_in_response(out, 1, kColumns); },
     [](Bytes body) {
       return reads<CopyResponse>(body, [](const CopyResponse& m) {
         EXPECT_EQ(m.format, 1);
         EXPECT_EQ(m.columns.count, 2);
         EXPECT_EQ(m.columns.of(1), kBinaryFormat);
       });
     }},
    {"CopyOutResponse", "H\0\0\0\7\0\0\0"sv, [](std::string& out) { append_copy_out_response(out, 0, {}); },
     [](Bytes body) {
       return reads<CopyResponse>(body, [](const CopyResponse& m) { EXPECT_EQ(m.columns.count, 0); });
     }},
    {"CopyBothResponse", "W\0\0\0\7\0\0\0"sv, [](std::string& out) { append_copy_both_response(out, 0, {}); },
     [](Bytes body) {
       return reads<CopyResponse>(body, [](const CopyResponse& m) { EXPECT_EQ(m.format, 0); });
     }},
    {"FunctionCallResponse", "V\0\0\0\x09\0\0\0\1x"sv,
     [](std::string& out) { append_function_call_response(out, "x"); },
     [](Bytes body) {
       return reads<FunctionCallResponse>(
           body, [](const FunctionCallResponse& m) { EXPECT_EQ(m.value.bytes, "x"); });
     }},
    {"FunctionCallResponse of NULL", "V\0\0\0\x08\xff\xff\xff\xff"sv,
     [](std::string& out) { append_function_call_response(out, std::nullopt); },
     [](Bytes body) {
       return reads<FunctionCallResponse>(body,
                                          [](const FunctionCallResponse& m) { EXPECT_TRUE(m.value.null); });
     }},
    {.name = "BackendKeyData",
     .bytes = "K\0\0\0\x0c\0\0\1\0keys"sv,
     .encode = [](std::string& out) { append_backend_key_data(out, 256, "keys"); },
     .decode =
         [](Bytes body) {
           return reads<BackendKeyData>(body, [](const BackendKeyData& m) { EXPECT_EQ(m.pid, 256); });
         },
     .open_end = true,
     .needed = 8},
};

TEST(Backend, MessagesAreWrittenAndReadAsTheManualSays) {
  expect_table_holds(kMessages);
}

TEST(Backend, MessagesWithoutBodyAreWrittenAsTheManualSays) {
  const std::pair<Bytes, void (*)(std::string&)> cases[] = {
      {"1\0\0\0\4"sv, append_parse_complete}, {"2\0\0\0\4"sv, append_bind_complete},
      {"3\0\0\0\4"sv, append_close_complete}, {"I\0\0\0\4"sv, append_empty_query},
      {"n\0\0\0\4"sv, append_no_data},        {"s\0\0\0\4"sv, append_portal_suspended},
  };
  for (const auto& [bytes, append] : cases) {
    std::string out;
    append(out);
    EXPECT_EQ(out, bytes);
  }
}

TEST(Backend, CancelKeysMayBeAsLongAsProtocol32Allows) {
  BackendKeyData key;
  EXPECT_FALSE(decode("\0\0\1\0key"sv, key));
  EXPECT_TRUE(decode("\0\0\1\0"s + std::string(256, 'k'), key));
  EXPECT_EQ(key.key.size(), 256U);
  EXPECT_FALSE(decode("\0\0\1\0"s + std::string(257, 'k'), key));
}

TEST(Backend, AStatusThatDoesNotExistIsMalformed) {
  ReadyForQuery ready;
  for (int status = 0; status < 256; ++status) {
    const char c = static_cast<char>(status);
    EXPECT_EQ(decode(Bytes(&c, 1), ready), c == 'I' || c == 'T' || c == 'E') << status;
  }
}

TEST(Backend, CountsBeyondTheBodyAreMalformed) {
  RowDescription description;
  EXPECT_FALSE(decode("\xff\xff"sv, description));
  DataRow row;
  EXPECT_FALSE(decode("\0\1\xff\xff\xff\xfe"sv, row)) << "length -2";
  NegotiateProtocolVersion version;
  EXPECT_FALSE(decode("\0\3\0\0\x7f\xff\xff\xff"sv, version));
  EXPECT_FALSE(decode("\0\3\0\0\xff\xff\xff\xff"sv, version));
  EXPECT_FALSE(decode("\0\2\0\0\0\0\0\0"sv, version)) << "protocol 2";
  EXPECT_TRUE(decode("\0\0\0\2\0\0\0\0"sv, version)) << "the minor version alone, as the manual has it";
  EXPECT_EQ(version.minor, 2);
}

TEST(Backend, RowCountsAreReadFromTheTag) {
  const std::pair<Bytes, std::uint64_t> cases[] = {
      {"INSERT 0 5", 5},
      {"SELECT 0", 0},
      {"UPDATE 12", 12},
      {"COPY 18446744073709551615", UINT64_MAX},
      {"BEGIN", 0},
      {"CREATE TABLE", 0},
      {"", 0},
      {"SELECT ", 0},
      {"SELECT 5x", 0},
      {"SELECT -5", 0},
      {"SELECT 99999999999999999999", 0},
  };
  for (const auto& [tag, rows] : cases) EXPECT_EQ(affected_rows(tag), rows) << tag;
}

}  // namespace
}  // namespace howdah::pgwire
