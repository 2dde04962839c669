// A query whose last step needs all rows together, taken apart in two: each shard runs the lower part, and one server the upper
// part over the rows that all of them gave.
//
//   SELECT kind, avg(balance) FROM accounts WHERE balance > 0 GROUP BY kind ORDER BY 2
//   lower:  SELECT kind, sum(balance), count(balance) FROM accounts WHERE balance > 0 GROUP BY 1
//   upper:  SELECT p.c0 AS "kind", (sum(p.c1) / sum(p.c2)) AS "avg" FROM <rows> AS p(c0, c1, c2) GROUP BY p.c0 ORDER BY 2
//
// So PostgreSQL itself combines, compares, rounds, and words the errors. What the parts look like depends on the columns' types,
// which only a server knows: the texts are completed by merge/gather_text.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sharding/sql/analyzer.h"
#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

struct Gather {
  // One item of the lower part's select list, and so a column of the gathered rows; a star stands for `width` of them.
  struct Column {
    std::string text;
    bool is_star = false;
    std::uint16_t width = 1;
    bool is_average_sum = false;  // the sum of an avg: of float4 it has lost digits
    bool operator==(const Column&) const = default;
  };
  // The upper part's text, with what is filled in when the types are known.
  struct Piece {
    enum class Kind : std::uint8_t {
      kText,      // as it is
      kColumn,    // the gathered column
      kStar,      // the columns of a star, each under its name
      kName,      // AS the name that the client's text gives to the item `column` of its select list
      kSortName,  // an output column `text` if there is one, else the gathered column
      kRows,      // the gathered rows, as an item of FROM
      kInput,     // the rows of `inputs[column]`, in the place of its table
      kSame,      // the aggregate `text` over the partial results
      kCount, kSum, kAverage,
    };
    Kind kind = Kind::kText;
    std::uint16_t column = 0;  // item of `columns`; kAverage: the sum, and behind it the count
    std::uint16_t offset = 0;  // kColumn, kSortName: in a star
    std::string text;
    bool operator==(const Piece&) const = default;
  };
  std::string head, tail;          // of the lower part: before and behind its select list
  std::string order;               // ORDER BY and LIMIT of the lower part, when the first rows of each shard are enough
  bool grouped = false;            // the lower part groups by its first `groups` columns
  std::uint16_t groups = 0;
  // The lower part may drop equal rows. Only where equal values are also the same (see is_identity_type()): expressions over them
  // are evaluated above.
  bool distinct = false;
  std::vector<Column> columns;
  std::vector<Piece> upper;
  // By item of the client's select list: how many columns it gives.
  struct Output {
    std::uint16_t width = 1;
    bool is_star = false;
    bool operator==(const Output&) const = default;
  };
  std::vector<Output> outputs;
  // One table each, when the rows of several come by themselves (assemble.h): `head` is the whole lower part then, and its first
  // column the number of the input that a row is of. All other columns are NULL in the other inputs' rows.
  struct Input {
    std::uint16_t first = 0;             // of `columns`
    std::vector<std::string> names;      // of these columns
    bool operator==(const Input&) const = default;
  };
  std::vector<Input> inputs;

  std::string lower() const;
};

// The ways to take the query apart, cheapest first; a later one serves when the types do not suit. Or the reason why there is none.
// REQUIRES: `walker` has walked `sql`, one statement, and unless it `assembles` the rows of its FROM and WHERE are those of the
// shards together.
std::variant<std::vector<Gather>, Error> gather_forms(const QueryWalker& walker, const AnalyzeContext& context, std::string_view sql,
                                                      bool assembles);

// The same for a text of which a cached plan has the proof `spread`.
Result<std::vector<Gather>> gather_forms(std::string_view sql, const Spread& spread, std::span<const Oid> param_types,
                                         const AnalyzeContext& context);

}  // namespace howdah::sharding::sql
