// Our reading of the protocol beside PostgreSQL's: what we call malformed it refuses, what we write it
// understands.
#include <gtest/gtest.h>

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/tests/wire_connection.h"
#include "tests/support/pg_server.h"

namespace howdah::pgwire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using howdah::testing::PgConn;
using howdah::testing::PgServer;
using testing::Message;
using testing::WireConnection;

class WireTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PgServer;
    howdah::testing::write_file(server_->data_dir() + "/pg_hba.conf",
                                "local all all trust\nhost all all all trust\n");
    server_->stop();  // a reload would take effect at some later moment
    server_->start();
  }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  static int open() { return WireConnection::connect_to(server_->port()); }

  static PgServer* server_;
};
PgServer* WireTest::server_ = nullptr;

using Params = std::vector<std::pair<Bytes, Bytes>>;

std::vector<Message> start(WireConnection& connection, const Params& more = {}, int minor = 0) {
  Params params = {{"user", "postgres"}, {"database", "app"}};
  params.insert(params.end(), more.begin(), more.end());
  std::string out;
  append_startup(out, minor, params);
  connection.send(out);
  return connection.until(be::kReadyForQuery);
}

std::string types(const std::vector<Message>& messages) {
  std::string result;
  for (const Message& message : messages) result += message.type;
  return result;
}

// The SQLSTATE and severity of the first error among the messages, or "".
std::string error_of(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    ErrorFields fields;
    if (message.type != be::kErrorResponse) continue;
    EXPECT_TRUE(decode(message.body, fields));
    return std::string(fields.severity) + " " + std::string(fields.sqlstate);
  }
  return "";
}

std::string framed(char type, Bytes body) {
  std::string out(1, type);
  append_be(out, static_cast<std::uint32_t>(4 + body.size()));
  return out.append(body);
}

template <class M>
bool decodes(Bytes body) {
  M message;
  return decode(body, message);
}

TEST_F(WireTest, ANewerProtocolAndUnknownOptionsAreNegotiated) {
  WireConnection connection(open());
  const auto messages = start(connection, {{"_pq_.nosuch", "on"}}, 2);
  NegotiateProtocolVersion negotiate;
  const auto found =
      std::find_if(messages.begin(), messages.end(), [](const Message& m) { return m.type == 'v'; });
  ASSERT_NE(found, messages.end());
  ASSERT_TRUE(decode(found->body, negotiate));
  EXPECT_EQ(negotiate.minor, 0);
  EXPECT_EQ(negotiate.count, 1);
  EXPECT_EQ(negotiate.options, "_pq_.nosuch\0"sv);
  std::string ours;
  append_negotiate_protocol_version(ours, 0, std::vector<Bytes>{"_pq_.nosuch"});
  EXPECT_EQ(ours, framed('v', found->body));
}

TEST_F(WireTest, OneGroupOfEveryExtendedMessageIsAnsweredAsDescribed) {
  WireConnection connection(open());
  start(connection);
  std::string out;
  const Oid oids[] = {23, 0};
  const std::int16_t formats[] = {1, 0};
  const std::int16_t binary[] = {1};
  const std::optional<Bytes> values[] = {"\0\0\0\7"sv, std::nullopt};
  append_parse(out, "s1", "SELECT $1 AS a, $2::text, generate_series(1, 3)", oids);
  append_describe(out, 'S', "s1");
  append_bind(out, "p1", "s1", formats, values, binary);
  append_execute(out, "p1", 2);
  append_execute(out, "p1", 0);
  append_close(out, 'P', "p1");
  append_flush(out);
  append_close(out, 'S', "s1");
  append_sync(out);
  connection.send(out);
  const auto messages = connection.until(be::kReadyForQuery);
  ASSERT_EQ(types(messages), "1tT2DDsDC33Z");
  ParameterDescription parameters;
  ASSERT_TRUE(decode(messages[1].body, parameters));
  EXPECT_EQ(parameters.type(0), 23U);
  EXPECT_EQ(parameters.type(1), 25U);
  RowDescription columns;
  ASSERT_TRUE(decode(messages[2].body, columns));
  FieldDescription field;
  ASSERT_TRUE(RowDescription::next(columns.fields, field));
  EXPECT_EQ(field, (FieldDescription{.name = "a", .type = 23, .type_size = 4}));
  DataRow row;
  ASSERT_TRUE(decode(messages[4].body, row));
  EXPECT_EQ(row.values.at(0).bytes, "\0\0\0\7"sv);
  EXPECT_TRUE(row.values.at(1).null);
  EXPECT_EQ(row.values.at(2).bytes, "\0\0\0\1"sv);
  CommandComplete complete;
  ASSERT_TRUE(decode(messages[8].body, complete));
  EXPECT_EQ(affected_rows(complete.tag), 1U);
}

TEST_F(WireTest, ATextRowDescriptionIsTheOneOfShow) {
  WireConnection connection(open());
  start(connection);
  std::string out, expected;
  append_query(out, "SHOW server_version");
  connection.send(out);
  append_text_row_description(expected, {"server_version"});
  const auto messages = connection.until(be::kReadyForQuery);
  EXPECT_EQ(framed('T', messages.at(0).body), expected);
}

TEST_F(WireTest, AServersErrorIsWrittenAsItCame) {
  WireConnection connection(open());
  start(connection);
  for (const Bytes sql :
       {"SELECT nosuch", "SELECT 1/0", "DO $$BEGIN RAISE 'x' USING DETAIL='d', HINT='h', TABLE='t'; END$$",
        "DO $$BEGIN PERFORM nosuch(); END$$"}) {
    std::string out;
    append_query(out, sql);
    connection.send(out);
    const auto messages = connection.until(be::kReadyForQuery);
    ErrorFields fields;
    ASSERT_TRUE(decode(messages.at(0).body, fields));
    std::string again;
    append_error(again, fields);
    EXPECT_EQ(again, framed('E', messages[0].body)) << sql;
  }
}

TEST_F(WireTest, BodiesThatWeCallMalformedAreErrorsThatTheConnectionSurvives) {
  struct Case {
    char type;
    Bytes body;
    bool decoded;
  };
  const Case cases[] = {
      {'P', "s"sv, decodes<ParseMessage>("s"sv)},
      {'P', "\0select 1\0"sv, decodes<ParseMessage>("\0select 1\0"sv)},
      {'P', "\0select 1\0\0\1\0\0"sv, decodes<ParseMessage>("\0select 1\0\0\1\0\0"sv)},
      {'P', "\0select 1\0\0\0x"sv, decodes<ParseMessage>("\0select 1\0\0\0x"sv)},
      {'B', "\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"sv, decodes<BindMessage>("\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"sv)},
      {'B', "\0\0\0\0\0\1\0\0\0\5x\0\0"sv, decodes<BindMessage>("\0\0\0\0\0\1\0\0\0\5x\0\0"sv)},
      {'B', "\0\0\0\0\0\0"sv, decodes<BindMessage>("\0\0\0\0\0\0"sv)},
      {'B', "\0\0\0\0\0\0\0\0x"sv, decodes<BindMessage>("\0\0\0\0\0\0\0\0x"sv)},
      {'D', "X\0"sv, decodes<DescribeMessage>("X\0"sv)},
      {'D', "S"sv, decodes<DescribeMessage>("S"sv)},
      {'C', "X\0"sv, decodes<CloseMessage>("X\0"sv)},
      {'E', "\0\0\0"sv, decodes<ExecuteMessage>("\0\0\0"sv)},
      {'E', "\0\0\0\0\0x"sv, decodes<ExecuteMessage>("\0\0\0\0\0x"sv)},
  };
  WireConnection connection(open());
  start(connection);
  for (const Case& c : cases) {
    std::string out;
    append_parse(out, "", "SELECT 1");  // so that what follows fails for its shape only
    append_bind(out, "", "", {}, {}, {});
    out += framed(c.type, c.body);
    append_sync(out);
    connection.send(out);
    const auto messages = connection.until(be::kReadyForQuery);
    EXPECT_FALSE(c.decoded) << c.type << ::testing::PrintToString(c.body);
    EXPECT_EQ(error_of(messages), "ERROR 08P01") << c.type << ::testing::PrintToString(c.body);
    EXPECT_EQ(types(messages), "12EZ") << c.type << ::testing::PrintToString(c.body);
  }
}

// PostgreSQL only logs "invalid message length" and closes: it sends no error.
TEST_F(WireTest, LengthsThatWeCallMalformedEndTheConnection) {
  for (const char type : "QPBDECHSXdcfF"sv) {
    for (const std::uint32_t length : {3U, 0U, 0x80000000U, max_frontend_length(type) + 1}) {
      WireConnection connection(open());
      start(connection);
      std::string out(1, type);
      append_be(out, length);
      connection.send(out);
      EXPECT_EQ(types(connection.until(be::kReadyForQuery)), "") << type << " " << length;
      EXPECT_TRUE(connection.closed()) << type << " " << length;
      Header header;
      EXPECT_EQ(peek_header(out, max_frontend_length(type), header), FrameStatus::kMalformed);
    }
  }
}

TEST_F(WireTest, TypesThatDoNotExistEndTheConnection) {
  for (const char type : "\0aZR1z\xff"sv) {
    EXPECT_EQ(max_frontend_length(type), 0U);
    WireConnection connection(open());
    start(connection);
    connection.send(framed(type, ""));
    EXPECT_EQ(error_of(connection.until(be::kReadyForQuery)), "FATAL 08P01") << static_cast<int>(type);
  }
}

TEST_F(WireTest, StartupPacketsThatWeCallMalformedAreNotTaken) {
  const auto packet = [](Bytes after_length) {
    std::string bytes;
    append_be(bytes, static_cast<std::uint32_t>(4 + after_length.size()));
    return bytes.append(after_length);
  };
  for (const std::string& bytes :
       {"\0\0\0\7"s, "\xff\xff\xff\xff"s, "\0\0\x27\x15"s, packet("\0\3\0\0"sv),
        packet("\0\3\0\0user\0postgres\0"sv), packet("\0\3\0\0user\0postgres\0\0x"sv),
        packet("\0\3\0\0user\0"sv), packet("\0\3\0\0user\0postgres"sv)}) {
    StartupRequest request;
    std::size_t consumed = 0;
    EXPECT_EQ(next_startup(bytes, request, consumed), FrameStatus::kMalformed)
        << ::testing::PrintToString(bytes);
    WireConnection connection(open());
    connection.send(bytes);
    const auto messages = connection.until(be::kReadyForQuery);
    EXPECT_TRUE(messages.empty() || error_of(messages) == "FATAL 08P01") << types(messages);
    EXPECT_TRUE(connection.closed()) << ::testing::PrintToString(bytes);
  }
}

TEST_F(WireTest, OptionsSetWhatTheySetInPostgresql) {
  for (const Bytes text : {"-c x.a=b",
                           "-cx.a=b",
                           "--x.a=b",
                           "-c x.a=b --x.c=d\\ e",
                           "  -c   x.a=b  ",
                           "--x.long-name=5s",
                           "-c x.a=b=c",
                           "-c x.a=",
                           "-c x.a=b\\\\c",
                           "-c x.a=z\\",
                           "-c x.a=1 -c x.a=2",
                           "-c x.a=1 --",
                           "-c",
                           "-c a",
                           "--a",
                           "-ca",
                           "-c =x",
                           "--=x",
                           "x",
                           "x.a=b",
                           "-c x.a=b x",
                           "-- x.a=b",
                           "-c -c x.a=b",
                           "\\",
                           "-c x.a=\\\tb",
                           "-c\tx.a=b\n",
                           "-Z",
                           "-"}) {
    std::vector<std::pair<std::string, std::string>> settings;
    const bool parsed = parse_options(text, settings);
    WireConnection connection(open());
    const auto messages = start(connection, {{"options", text}});
    EXPECT_EQ(error_of(messages).empty(), parsed) << text << ": PostgreSQL says " << error_of(messages);
    if (!parsed || settings.empty()) continue;
    std::string out;
    append_query(out, "SHOW " + settings.back().first);
    connection.send(out);
    const auto shown = connection.until(be::kReadyForQuery);
    DataRow row;
    ASSERT_EQ(types(shown), "TDCZ") << text;
    ASSERT_TRUE(decode(shown[1].body, row));
    EXPECT_EQ(row.values.at(0).bytes, settings.back().second) << text;
  }
}

}  // namespace
}  // namespace howdah::pgwire
