// What each shard is asked for: hidden sort columns and the rows that one shard could contribute.
#include "sharding/merge/shard_text.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

using sql::RowCount;
using sql::SortKey;

constexpr RowCount kSome{RowCount::Kind::kSlot, 0};

sql::Spread spread(std::vector<SortKey> sort, RowCount limit = {}, RowCount offset = {}) {
  sql::Spread out;
  out.sort = std::move(sort);
  out.limit = limit;
  out.offset = offset;
  return out;
}

SortKey visible(std::uint16_t column) { return SortKey{column, false, 0, false, false}; }
SortKey hidden(std::uint16_t item) { return SortKey{0, true, item, false, false}; }

std::string text(std::string_view sql, const sql::Spread& spread, std::int64_t limit = sql::kNoLimit, std::int64_t offset = 0) {
  const auto out = shard_text(sql, spread, limit, offset, {});
  return out ? out->text : "refused";
}

TEST(ShardText, LeavesAloneWhatEachShardCanRun) {
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a", spread({visible(0)})), "SELECT a FROM t ORDER BY a");
  EXPECT_EQ(text("(SELECT a FROM t)", spread({})), "(SELECT a FROM t)");
}

TEST(ShardText, AsksEachShardForAllRowsThatItMayContribute) {
  EXPECT_EQ(text("SELECT a FROM t LIMIT 10", spread({}, kSome), 10), "SELECT a FROM t  LIMIT 10");
  EXPECT_EQ(text("SELECT a FROM t LIMIT 10 OFFSET 5", spread({}, kSome, kSome), 10, 5), "SELECT a FROM t  LIMIT 15");
  EXPECT_EQ(text("SELECT a FROM t OFFSET 5 ROWS FETCH FIRST 10 ROWS ONLY", spread({}, kSome, kSome), 10, 5), "SELECT a FROM t  LIMIT 15");
  EXPECT_EQ(text("SELECT a FROM t OFFSET 5", spread({}, {}, kSome), sql::kNoLimit, 5), "SELECT a FROM t ");
  EXPECT_EQ(text("SELECT a FROM t LIMIT $1 OFFSET $2", spread({}, kSome, kSome), INT64_MAX, 5),
            "SELECT a FROM t  LIMIT 9223372036854775807");
  EXPECT_EQ(text("SELECT a FROM t LIMIT $1", spread({}, kSome), -1), "SELECT a FROM t  LIMIT -1");
  EXPECT_EQ(text("SELECT a FROM t LIMIT 1 -- all", spread({}, kSome), 1), "SELECT a FROM t  LIMIT 1");
}

TEST(ShardText, CarriesWhatIsSortedBy) {
  EXPECT_EQ(text("SELECT a FROM t ORDER BY lower(b) DESC NULLS LAST, c", spread({hidden(0), hidden(1)})),
            "SELECT a, (lower(b)) AS howdah_sort_0, (c) AS howdah_sort_1  FROM t ORDER BY lower(b) DESC NULLS LAST, c");
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a, f(b, c)[1] LIMIT 3", spread({visible(0), hidden(1)}, kSome), 3),
            "SELECT a, (f(b, c)[1]) AS howdah_sort_1  FROM t ORDER BY a, f(b, c)[1]  LIMIT 3");
  EXPECT_EQ(text("SELECT FROM t ORDER BY b", spread({hidden(0)})), "SELECT (b) AS howdah_sort_0  FROM t ORDER BY b");
  EXPECT_EQ(text("SELECT a AS HOWDAH_SORT_0 FROM t ORDER BY b", spread({hidden(0)})), "SELECT a AS HOWDAH_SORT_0, (b) AS howdah_sort1_0  FROM t ORDER BY b");
}

TEST(ShardText, KnowsClausesFromNames) {
  EXPECT_EQ(text("SELECT a IS DISTINCT FROM b, \"from\", t.from, (SELECT 1 FROM u ORDER BY 1 LIMIT 1) FROM t WHERE t.limit = 1 ORDER BY c",
                 spread({hidden(0)})),
            "SELECT a IS DISTINCT FROM b, \"from\", t.from, (SELECT 1 FROM u ORDER BY 1 LIMIT 1), (c) AS howdah_sort_0  FROM t WHERE t.limit = 1 ORDER BY c");
  EXPECT_EQ(text("WITH w AS (SELECT 1 FROM x LIMIT 2) SELECT extract(year FROM a) FROM t ORDER BY 'LIMIT', c", spread({visible(0), hidden(1)})),
            "WITH w AS (SELECT 1 FROM x LIMIT 2) SELECT extract(year FROM a), (c) AS howdah_sort_1  FROM t ORDER BY 'LIMIT', c");
}

TEST(ShardText, RefusesWhatItCannotTellApart) {
  EXPECT_EQ(text("TABLE t ORDER BY lower(a)", spread({hidden(0)})), "refused");
  EXPECT_EQ(text("(SELECT a FROM t) LIMIT 1", spread({}, kSome), 1), "refused");
}

TEST(ShardText, SaysWhereBytesWerePutIn) {
  const auto out = shard_text("SELECT a FROM t ORDER BY b", spread({hidden(0)}), sql::kNoLimit, 0, {});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->inserted_at, 8u);
  EXPECT_EQ(out->inserted, std::string(", (b) AS howdah_sort_0 ").size());
}

}  // namespace
}  // namespace howdah::sharding
