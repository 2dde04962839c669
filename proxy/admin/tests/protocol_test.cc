// The console's protocol machine, fed with messages as drivers send them.
#include "proxy/core/admin_protocol.h"

#include <gtest/gtest.h>

#include "drivers/pgwire/frame.h"
#include "proxy/admin/columns.h"

namespace howdah::proxy {
namespace {

using admin::ColumnType;

constexpr admin::Column kColumns[] = {{"name"}, {"n", ColumnType::kInt4}, {"big", ColumnType::kInt8}};
constexpr admin::Column kNumericColumns[] = {{"value", ColumnType::kNumeric}};

std::string answer_of(std::span<const admin::Column> columns, std::vector<std::vector<std::string>> rows) {
  admin::Table table(columns);
  table.rows = std::move(rows);
  std::string out;
  append_table(out, table, "SHOW");
  pgwire::append_ready_for_query(out, pgwire::TxStatus::kIdle);
  return out;
}

// The type bytes of a string of messages.
std::string types_in(std::string_view messages) {
  std::string types;
  pgwire::Frame frame;
  while (pgwire::next_frame(messages, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    types += frame.type;
    messages.remove_prefix(frame.whole.size());
  }
  EXPECT_TRUE(messages.empty());
  return types;
}

std::string body_of(std::string_view messages, char type) {
  pgwire::Frame frame;
  while (pgwire::next_frame(messages, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    if (frame.type == type) return std::string(frame.body);
    messages.remove_prefix(frame.whole.size());
  }
  return "";
}

class AdminProtocolTest : public ::testing::Test {
 protected:
  // Feeds whole messages; commands are answered with `answer`. What went to the client.
  std::string feed(std::string_view messages) {
    std::string out;
    pgwire::Frame frame;
    while (pgwire::next_frame(messages, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
      if (auto sql = protocol.on_message(frame.type, frame.body)) {
        ran.push_back(*sql);
        protocol.on_result(answer);
      }
      out += protocol.take_output();
      messages.remove_prefix(frame.whole.size());
    }
    return out;
  }

  static std::string parse(Bytes name, Bytes sql) {
    std::string out;
    pgwire::append_parse(out, name, sql);
    return out;
  }
  static std::string bind(Bytes portal, Bytes statement, std::vector<std::int16_t> formats = {}) {
    std::string out;
    pgwire::append_bind(out, portal, statement, {}, {}, formats);
    return out;
  }
  static std::string describe(char kind, Bytes name) {
    std::string out;
    pgwire::append_describe(out, kind, name);
    return out;
  }
  static std::string execute(Bytes portal, std::int32_t max_rows = 0) {
    std::string out;
    pgwire::append_execute(out, portal, max_rows);
    return out;
  }
  static std::string sync() {
    std::string out;
    pgwire::append_sync(out);
    return out;
  }

  AdminProtocol protocol;
  std::string answer = answer_of(kColumns, {{"a", "1", "2"}, {"b", "3", "4"}, {"c", "5", "6"}});
  std::vector<std::string> ran;
};

TEST_F(AdminProtocolTest, HandsSimpleQueriesThroughAsTheyAre) {
  std::string query;
  pgwire::append_query(query, "SHOW POOLS");
  EXPECT_EQ(feed(query), answer);
  EXPECT_EQ(ran, std::vector<std::string>{"SHOW POOLS"});
}

TEST_F(AdminProtocolTest, AnswersAOneShotExtendedQuery) {
  EXPECT_EQ(types_in(feed(parse("", "SHOW POOLS;") + bind("", "") + describe('P', "") + execute("") + sync())),
            "12TDDDCZ");
  EXPECT_EQ(ran, std::vector<std::string>{"SHOW POOLS"});  // Describe and Execute of a portal are one execution
}

TEST_F(AdminProtocolTest, DescribesAPreparedStatementAndRunsItAfresh) {
  EXPECT_EQ(types_in(feed(parse("s", "SHOW POOLS") + describe('S', "s") + sync())), "1tTZ");
  EXPECT_EQ(types_in(feed(bind("", "s") + execute("") + sync())), "2DDDCZ");
  EXPECT_EQ(types_in(feed(bind("", "s") + execute("") + sync())), "2DDDCZ");
  EXPECT_EQ(ran.size(), 3u);
}

TEST_F(AdminProtocolTest, RunsACommandWithEffectsOnlyOnExecute) {
  answer.clear();
  pgwire::append_command_complete(answer, "RELOAD");
  pgwire::append_ready_for_query(answer, pgwire::TxStatus::kIdle);
  EXPECT_EQ(types_in(feed(parse("", "RELOAD") + describe('S', "") + bind("", "") + describe('P', ""))), "1tn2n");
  EXPECT_TRUE(ran.empty());
  EXPECT_EQ(types_in(feed(execute("") + sync())), "CZ");
  EXPECT_EQ(ran.size(), 1u);
}

TEST_F(AdminProtocolTest, GivesNumbersInBinaryWhereAsked) {
  const auto out = feed(parse("", "SHOW X") + bind("", "", {1}) + describe('P', "") + execute("") + sync());
  pgwire::RowDescription description;
  const std::string described = body_of(out, 'T');
  ASSERT_TRUE(decode(Bytes(described), description));
  pgwire::FieldDescription field;
  while (pgwire::RowDescription::next(description.fields, field)) EXPECT_EQ(field.format, pgwire::kBinaryFormat);
  pgwire::DataRow row;
  const std::string body = body_of(out, 'D');
  ASSERT_TRUE(decode(Bytes(body), row));
  EXPECT_EQ(row.values.at(0).bytes, "a");
  EXPECT_EQ(row.values.at(1).bytes, Bytes("\0\0\0\1", 4));
  EXPECT_EQ(row.values.at(2).bytes, Bytes("\0\0\0\0\0\0\0\2", 8));
}

TEST_F(AdminProtocolTest, RefusesBinaryNumerics) {
  answer = answer_of(kNumericColumns, {{"1"}});
  const auto out = feed(parse("", "SHOW STATS") + bind("", "", {1}) + execute("") + sync());
  EXPECT_EQ(types_in(out), "12EZ");
  EXPECT_NE(out.find("C0A000"), std::string::npos);
}

TEST_F(AdminProtocolTest, SuspendsAPortalAtItsRowLimit) {
  EXPECT_EQ(types_in(feed(parse("", "SHOW X") + bind("p", "") + execute("p", 2) + execute("p", 2) + sync())),
            "12DDsDCZ");
  EXPECT_EQ(ran.size(), 1u);
}

TEST_F(AdminProtocolTest, SkipsToSyncAfterAnError) {
  const auto out = feed(bind("", "none") + execute("") + sync() + parse("", "SHOW X") + sync());
  EXPECT_EQ(types_in(out), "EZ1Z");
  EXPECT_NE(out.find("C26000"), std::string::npos);
  EXPECT_TRUE(ran.empty());
}

TEST_F(AdminProtocolTest, TellsTheConsolesErrorsInsideAGroup) {
  answer.clear();
  pgwire::ErrorFields fields;
  fields.severity = "ERROR";
  fields.sqlstate = "42601";
  append_error(answer, fields);
  pgwire::append_ready_for_query(answer, pgwire::TxStatus::kIdle);
  EXPECT_EQ(types_in(feed(parse("", "SHOW no") + describe('S', "") + bind("", "") + sync())), "1EZ");
  EXPECT_EQ(types_in(feed(parse("", "no") + bind("", "") + execute("") + sync())), "12EZ");
}

TEST_F(AdminProtocolTest, RefusesSeveralCommandsInOneStatement) {
  const auto out = feed(parse("", "RELOAD; SHUTDOWN") + execute("") + sync());
  EXPECT_EQ(types_in(out), "EZ");
  EXPECT_NE(out.find("C42601"), std::string::npos);
  EXPECT_TRUE(ran.empty());
}

TEST_F(AdminProtocolTest, AnswersMalformedMessagesWithoutFalling) {
  for (const char type : {'P', 'B', 'D', 'E', 'C'}) {
    ASSERT_FALSE(protocol.on_message(type, "x"));
    const auto out = protocol.take_output();
    EXPECT_EQ(types_in(out), "E") << type;
    EXPECT_NE(out.find("C08P01"), std::string::npos);
    EXPECT_EQ(types_in(feed(sync())), "Z");
  }
}

}  // namespace
}  // namespace howdah::proxy
