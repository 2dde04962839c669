// Streams of messages in, one stream out: also when the bytes come one at a time.
#include "sharding/merge/row_merge.h"

#include <gtest/gtest.h>

#include <optional>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "schema/types.h"

namespace howdah::sharding {
namespace {

using Row = std::vector<std::optional<std::string>>;

void put(std::string& out, std::uint32_t value, int size) {
  for (int i = size; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::string message(char type, const std::string& body) {
  std::string out(1, type);
  put(out, static_cast<std::uint32_t>(body.size() + 4), 4);
  return out + body;
}

std::string description(const std::vector<std::pair<std::string, Oid>>& columns) {
  std::string body;
  put(body, static_cast<std::uint32_t>(columns.size()), 2);
  for (const auto& [name, type] : columns) {
    body += name + '\0';
    put(body, 0, 4);
    put(body, 0, 2);
    put(body, type, 4);
    put(body, 8, 2);
    put(body, 0xffffffff, 4);
    put(body, 0, 2);
  }
  return message('T', body);
}

std::string row(const Row& values) {
  std::string body;
  put(body, static_cast<std::uint32_t>(values.size()), 2);
  for (const auto& value : values) {
    put(body, value ? static_cast<std::uint32_t>(value->size()) : 0xffffffff, 4);
    body += value.value_or("");
  }
  return message('D', body);
}

std::string complete() { return message('C', std::string("SELECT 0") + '\0'); }

std::string numbers(std::initializer_list<const char*> values) {
  std::string out = description({{"n", schema::kInt4Oid}});
  for (const char* value : values) out += row({value});
  return out + complete();
}

// Merges with the bytes of all streams arriving `step` at a time.
std::string merged(const std::vector<std::string>& inputs, RowMerge::Options options, std::size_t step, RowMerge::Step ends = RowMerge::Step::kDone) {
  std::vector<std::string> streams(inputs.size());
  std::vector<std::string*> pointers;
  for (auto& stream : streams) pointers.push_back(&stream);
  RowMerge merge(pointers, std::move(options));
  std::string out;
  for (std::size_t at = 0;; at += step) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (at < inputs[i].size()) streams[i] += inputs[i].substr(at, step);
    }
    RowMerge::Step result = RowMerge::Step::kFull;
    while (result == RowMerge::Step::kFull) {
      std::string part;
      result = merge.run(part, 16);
      out += part;
    }
    if (result != RowMerge::Step::kWait) {
      EXPECT_EQ(result, ends);
      return out;
    }
    if (at > 100000) {
      ADD_FAILURE() << "waits for ever";
      return out;
    }
  }
}

sql::SortKey by(std::uint16_t column, bool descending = false, bool nulls_first = false) {
  return sql::SortKey{column, false, 0, descending, nulls_first};
}

void expect(const std::vector<std::string>& inputs, const RowMerge::Options& options, const std::string& expected) {
  for (std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) EXPECT_EQ(merged(inputs, options, step), expected) << step;
}

std::string rows_of(std::initializer_list<const char*> values) {
  std::string out = description({{"n", schema::kInt4Oid}});
  for (const char* value : values) out += row({value});
  return out + message('C', "SELECT " + std::to_string(values.size()) + '\0');
}

TEST(RowMerge, KeepsTheOrderOfSortedStreams) {
  RowMerge::Options options;
  options.sort = {by(0)};
  expect({numbers({"1", "5", "10"}), numbers({"2", "9"}), numbers({})}, options, rows_of({"1", "2", "5", "9", "10"}));
}

TEST(RowMerge, AppliesCountsOnceAllStreamsAreOne) {
  RowMerge::Options options;
  options.sort = {by(0)};
  options.limit = 2;
  options.offset = 1;
  expect({numbers({"1", "5", "10"}), numbers({"2", "9"})}, options, rows_of({"2", "5"}));
  options.limit = 0;
  expect({numbers({"1"}), numbers({"2"})}, options, rows_of({}));
  options.limit = sql::kNoLimit;
  options.offset = 9;
  expect({numbers({"1"}), numbers({"2"})}, options, rows_of({}));
}

TEST(RowMerge, TakesHiddenColumnsOff) {
  const auto stream = [](std::initializer_list<std::pair<const char*, const char*>> values) {
    std::string out = description({{"n", schema::kInt4Oid}, {"?column?", schema::kInt4Oid}});
    for (const auto& [value, key] : values) out += row({value, key});
    return out + complete();
  };
  RowMerge::Options options;
  options.sort = {sql::SortKey{0, true, 0, true, true}};
  expect({stream({{"1", "30"}, {"2", "10"}}), stream({{"3", "20"}})}, options, rows_of({"1", "3", "2"}));
}

TEST(RowMerge, PutsNullsWhereTheyBelong) {
  const std::string nulls = description({{"n", schema::kInt4Oid}}) + row({"1"}) + row({std::nullopt}) + complete();
  RowMerge::Options options;
  options.sort = {by(0)};
  const std::string end = message('C', std::string("SELECT 3") + '\0');
  expect({nulls, numbers({"2"})}, options, description({{"n", schema::kInt4Oid}}) + row({"1"}) + row({"2"}) + row({std::nullopt}) + end);
}

TEST(RowMerge, HandsTheErrorOfAStreamBack) {
  std::string error;
  pgwire::ErrorFields fields;
  fields.severity = "ERROR";
  fields.sqlstate = "22012";
  fields.message = "division by zero";
  append_error(error, fields);
  std::string streams[2] = {numbers({"1"}), description({{"n", schema::kInt4Oid}}) + error};
  RowMerge merge({&streams[0], &streams[1]}, {});
  std::string out;
  EXPECT_EQ(merge.run(out, 1 << 20), RowMerge::Step::kFailed);
  EXPECT_EQ(merge.failed_stream(), 1);
}

TEST(RowMerge, RefusesWhatItCannotCompare) {
  RowMerge::Options options;
  options.sort = {by(0)};
  const std::string texts = description({{"n", schema::kTextOid}}) + complete();
  merged({texts, texts}, options, 100000, RowMerge::Step::kFailed);
  options.bytewise_collation = true;
  EXPECT_EQ(merged({texts, texts}, options, 100000), description({{"n", schema::kTextOid}}) + complete());
  const std::string dates = description({{"d", 1082}}) + row({"17.12.2024"}) + complete();
  merged({dates, dates}, options, 100000, RowMerge::Step::kFailed);
}

TEST(RowMerge, RefusesTypesThatDifferFromShardToShard) {
  const std::string one = description({{"n", 20000}}) + complete();
  const std::string two = description({{"n", 30000}}) + complete();
  merged({one, two}, {}, 100000, RowMerge::Step::kFailed);
}

}  // namespace
}  // namespace howdah::sharding
