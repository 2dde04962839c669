// Completes the upper part of a query that was taken apart (sharding/sql/gather.h), and makes the values that it runs over: each
// gathered column is one array parameter.
//
//   upper:  SELECT p.c0 AS "kind", ... FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS p(c0, c1) GROUP BY p.c0
//
// https://www.postgresql.org/docs/15/functions-array.html
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "sharding/sql/gather.h"

namespace howdah::sharding {

// A column of the gathered rows, as a server described it.
struct GatheredColumn {
  std::string name;
  Oid type = 0;
  Oid array = 0;           // the type of the parameter that carries it
  bool as_text = false;    // it is carried as text, and cast to `cast` again
  std::string cast;        // the type's name for SQL
  std::uint16_t input = kNoInput;  // of Gather::inputs
  static constexpr std::uint16_t kNoInput = 0xffff;
};

// Are equal values of this type the same in every respect? 1.0 = 1.00, and their texts differ.
bool is_identity_type(Oid type);
// How a value of this type is carried. False: it is not known how.
bool carry(Oid type, GatheredColumn& out);
// As text, that a cast to a type of this name reads as it was.
void carry_as_text(std::string type_name, GatheredColumn& out);

enum class Fit : std::uint8_t { kFits, kNextForm, kNever };
// Do the types of its lower part's columns suit the form?
Fit fits(const sql::Gather& gather, std::span<const GatheredColumn> columns);

// The upper part, whose parameters begin behind the client's own: the first is $`first`. `names` are the columns of the client's
// result.
Result<std::string> upper_text(const sql::Gather& gather, std::span<const GatheredColumn> columns, std::span<const std::string> names,
                               std::size_t first);

// The gathered rows, column by column, as binary arrays.
class GatheredRows {
 public:
  explicit GatheredRows(std::span<const GatheredColumn> columns);
  // One DataRow's body. False: it is malformed.
  bool add(Bytes row);
  std::size_t bytes() const { return bytes_; }
  std::size_t columns() const { return columns_.size(); }
  // Appends the length and the value of the parameter, as Bind has them, and lets go of the column.
  void take(std::size_t column, std::string& out);

 private:
  struct Column {
    Oid element = 0;
    std::uint16_t input = 0;
    std::string values;
    bool nulls = false;
    std::uint32_t rows = 0;
  };
  static constexpr std::uint16_t kNoInput = GatheredColumn::kNoInput;
  std::vector<Column> columns_;
  bool inputs_ = false;  // the first column tells whose columns a row has
  std::size_t bytes_ = 0;
};

}  // namespace howdah::sharding
