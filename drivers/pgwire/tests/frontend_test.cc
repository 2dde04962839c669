#include "drivers/pgwire/frontend.h"

#include "drivers/pgwire/tests/message_cases.h"

namespace howdah::pgwire {
namespace {

using namespace testing;
using Params = std::vector<std::optional<Bytes>>;

Params list(const Values& values) {
  Params result;
  for (const Value value : values) result.push_back(value.null ? std::nullopt : std::optional(value.bytes));
  return result;
}

const Params kNoParams;
const Params kThreeParams = {"12", std::nullopt, ""};
const std::int16_t kBinary[] = {1};
const std::int16_t kEach[] = {0, 1, 0};
const Oid kTypes[] = {23, 0};

const MessageCase kMessages[] = {
    {"Query", "Q\0\0\0\x0dselect 1\0"sv, [](std::string& out) { append_query(out, "select 1"); },
     [](Bytes body) {
       QueryMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.sql, "select 1");
       return true;
     }},
    {"Query without text", "Q\0\0\0\5\0"sv, [](std::string& out) { append_query(out, ""); },
     [](Bytes body) {
       QueryMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.sql, "");
       return true;
     }},
    {"Parse", "P\0\0\0\x1bs1\0select $1\0\0\2\0\0\0\x17\0\0\0\0"sv,
     [](std::string& out) { append_parse(out, "s1", "select $1", kTypes); },
     [](Bytes body) {
       ParseMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.name, "s1");
       EXPECT_EQ(m.query, "select $1");
       EXPECT_EQ(m.type_count, 2);
       EXPECT_EQ(m.types, "\0\0\0\x17\0\0\0\0"sv);
       EXPECT_EQ(m.type(0), 23U);
       EXPECT_EQ(m.type(1), 0U);
       EXPECT_EQ(m.type(2), 0U);
       return true;
     }},
    {"Parse with types as they came", "P\0\0\0\x0d\0s\0\0\1\0\0\0\x19"sv,
     [](std::string& out) { append_parse_raw(out, "", "s", 1, "\0\0\0\x19"sv); },
     [](Bytes body) {
       ParseMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.name, "");
       EXPECT_EQ(m.type(0), 25U);
       return true;
     }},
    {"Bind without anything", "B\0\0\0\x0c\0\0\0\0\0\0\0\0"sv,
     [](std::string& out) { append_bind(out, "", "", {}, kNoParams, {}); },
     [](Bytes body) {
       BindMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.params.count, 0);
       EXPECT_EQ(list(m.params), kNoParams);
       EXPECT_EQ(m.formats.of(0), kTextFormat);
       EXPECT_TRUE(m.formats.fits(7));
       return true;
     }},
    {"Bind, one format for all",
     "B\0\0\0\x21p\0s1\0\0\1\0\1\0\3\0\0\0\2"
     "12\xff\xff\xff\xff\0\0\0\0\0\1\0\1"sv,
     [](std::string& out) { append_bind(out, "p", "s1", kBinary, kThreeParams, kBinary); },
     [](Bytes body) {
       BindMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.portal, "p");
       EXPECT_EQ(m.statement, "s1");
       EXPECT_EQ(list(m.params), kThreeParams);
       EXPECT_EQ(m.params.at(0).bytes, "12");
       EXPECT_TRUE(m.params.at(1).null);
       EXPECT_FALSE(m.params.at(2).null);
       EXPECT_TRUE(m.params.at(3).null);
       EXPECT_EQ(m.formats.of(2), kBinaryFormat);
       EXPECT_TRUE(m.formats.fits(3));
       EXPECT_EQ(m.result_formats.of(9), kBinaryFormat);
       return true;
     }},
    {"Bind, a format each",
     "B\0\0\0\x20\0\0\0\3\0\0\0\1\0\0\0\3\0\0\0\2"
     "12\xff\xff\xff\xff\0\0\0\0\0\0"sv,
     [](std::string& out) { append_bind(out, "", "", kEach, kThreeParams, {}); },
     [](Bytes body) {
       BindMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.formats.of(0), kTextFormat);
       EXPECT_EQ(m.formats.of(1), kBinaryFormat);
       EXPECT_EQ(m.formats.of(3), kTextFormat);
       EXPECT_TRUE(m.formats.fits(3));
       EXPECT_FALSE(m.formats.fits(2));
       return true;
     }},
    {"Describe of a statement", "D\0\0\0\x08Ss1\0"sv,
     [](std::string& out) { append_describe(out, 'S', "s1"); },
     [](Bytes body) {
       DescribeMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.kind, 'S');
       EXPECT_EQ(m.name, "s1");
       return true;
     }},
    {"Close of a portal", "C\0\0\0\6P\0"sv, [](std::string& out) { append_close(out, 'P', ""); },
     [](Bytes body) {
       CloseMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.kind, 'P');
       EXPECT_EQ(m.name, "");
       return true;
     }},
    {"Execute", "E\0\0\0\x0ap\0\0\0\1\0"sv, [](std::string& out) { append_execute(out, "p", 256); },
     [](Bytes body) {
       ExecuteMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.portal, "p");
       EXPECT_EQ(m.max_rows, 256);
       return true;
     }},
    {"CopyFail",
     "f\0\0\0\x08"
     "why\0"sv,
     [](std::string& out) { append_copy_fail(out, "why"); },
     [](Bytes body) {
       CopyFailMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.message, "why");
       return true;
     }},
    {"FunctionCall", "F\0\0\0\x19\0\0\4\0\0\1\0\1\0\2\0\0\0\1x\xff\xff\xff\xff\0\1"sv, nullptr,
     [](Bytes body) {
       FunctionCallMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.function, 1024U);
       EXPECT_EQ(m.formats.of(1), kBinaryFormat);
       EXPECT_EQ(list(m.arguments), (Params{"x", std::nullopt}));
       EXPECT_EQ(m.result_format, kBinaryFormat);
       return true;
     }},
    {"PasswordMessage", "p\0\0\0\x0bsecret\0"sv, [](std::string& out) { append_password(out, "secret"); },
     [](Bytes body) {
       PasswordMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.password, "secret");
       return true;
     }},
    {"SASLInitialResponse", "p\0\0\0\x0fX-1\0\0\0\0\3n,,"sv,
     [](std::string& out) { append_sasl_initial(out, "X-1", "n,,"); },
     [](Bytes body) {
       SaslInitialMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.mechanism, "X-1");
       EXPECT_EQ(m.data, "n,,");
       return true;
     }},
    {"SASLInitialResponse without data", "p\0\0\0\x0cX-1\0\xff\xff\xff\xff"sv,
     [](std::string& out) { append_sasl_initial(out, "X-1", std::nullopt); },
     [](Bytes body) {
       SaslInitialMessage m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.data, std::nullopt);
       return true;
     }},
};

TEST(Frontend, MessagesAreWrittenAndReadAsTheManualSays) {
  expect_table_holds(kMessages);
}

TEST(Frontend, MessagesWithoutShapeAreWrittenAsTheManualSays) {
  const std::pair<Bytes, void (*)(std::string&)> cases[] = {
      {"S\0\0\0\4"sv, append_sync},
      {"H\0\0\0\4"sv, append_flush},
      {"X\0\0\0\4"sv, append_terminate},
      {"c\0\0\0\4"sv, append_copy_done},
      {"d\0\0\0\6a\0"sv, [](std::string& out) { append_copy_data(out, "a\0"sv); }},
      {"p\0\0\0\6a\0"sv, [](std::string& out) { append_sasl_response(out, "a\0"sv); }},
  };
  for (const auto& [bytes, append] : cases) {
    std::string out;
    append(out);
    EXPECT_EQ(out, bytes);
    expect_frames_one_byte_at_a_time(bytes);
  }
}

TEST(Frontend, ABindKeepsItsTailUnderOtherNames) {
  std::string original, renamed, expected;
  append_bind(original, "p", "client_name", kEach, kThreeParams, kBinary);
  append_bind(expected, "", "h1", kEach, kThreeParams, kBinary);
  BindMessage bind;
  ASSERT_TRUE(decode(Bytes(original).substr(kHeaderSize), bind));
  append_bind_renamed(renamed, "", "h1", bind.after_names);
  EXPECT_EQ(renamed, expected);
}

template <class Message>
bool decodes(Bytes body) {
  const std::vector<char> copy(body.begin(), body.end());
  Message message;
  return decode(Bytes(copy.data(), copy.size()), message);
}

TEST(Frontend, CountsAndLengthsBeyondTheBodyAreMalformed) {
  EXPECT_FALSE(decodes<ParseMessage>("\0s\0\xff\xff"sv));
  EXPECT_FALSE(decodes<BindMessage>("\0\0\xff\xff\0\0\0\0"sv)) << "65,535 formats";
  EXPECT_FALSE(decodes<BindMessage>("\0\0\0\0\xff\xff\0\0"sv)) << "65,535 parameters";
  EXPECT_FALSE(decodes<BindMessage>("\0\0\0\0\0\0\xff\xff"sv)) << "65,535 result formats";
  EXPECT_FALSE(decodes<BindMessage>("\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"sv)) << "length -2";
  EXPECT_FALSE(decodes<BindMessage>("\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"sv)) << "length 2 GiB";
  EXPECT_FALSE(decodes<FunctionCallMessage>("\0\0\0\1\0\0\0\1\xff\xff\xff\xfe\0\0"sv));
  EXPECT_FALSE(decodes<SaslInitialMessage>("X\0\xff\xff\xff\xfe"sv)) << "length -2";
  EXPECT_FALSE(decodes<SaslInitialMessage>("X\0\x7f\xff\xff\xff"sv)) << "length 2 GiB";
  EXPECT_FALSE(decodes<SaslInitialMessage>("X\0\xff\xff\xff\xffx"sv)) << "no data, yet data";
}

TEST(Frontend, DescribeAndCloseTakeStatementsAndPortalsOnly) {
  EXPECT_FALSE(decodes<DescribeMessage>("s\0"sv));
  EXPECT_FALSE(decodes<CloseMessage>("\0\0"sv));
}

TEST(Frontend, AsManyParametersAsTheProtocolCounts) {
  const Params params(65535, "x");
  std::string out;
  append_bind(out, "", "", {}, params, {});
  BindMessage bind;
  ASSERT_TRUE(decode(Bytes(out).substr(kHeaderSize), bind));
  EXPECT_EQ(bind.params.count, 65535);
  EXPECT_EQ(bind.params.at(65534).bytes, "x");
}

TEST(Frontend, AZeroByteCannotSmuggleAField) {
  std::string smuggled, plain;
  append_parse(smuggled, "a\0b"sv, "select 1\0junk"sv, {});
  append_parse(plain, "a", "select 1", {});
  EXPECT_EQ(smuggled, plain);
}

}  // namespace
}  // namespace howdah::pgwire
