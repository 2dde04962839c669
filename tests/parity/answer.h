// What a server answers to a statement, as clients see it, and how two answers compare.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>
#include <vector>

namespace howdah::parity {

using Value = std::optional<std::string>;  // nothing: NULL
using Row = std::vector<Value>;

// One result: rows, a command tag or an error. Of COPY TO STDOUT, a row is one CopyData of one column.
struct Answer {
  std::vector<std::string> names;
  std::vector<Oid> types;
  std::vector<int> typmods;
  std::vector<Row> rows;
  std::string tag, sqlstate, message, detail, hint;
};

// Simple query; Parse, Describe, Bind, Execute each with its Sync and results in text; all in one group and
// results in binary.
enum class Mode { kSimple, kText, kBinary };
inline constexpr Mode kModes[] = {Mode::kSimple, Mode::kText, Mode::kBinary};
const char* name_of(Mode mode);

// Runs `sql`; in simple mode the values stand in the text for $1, $2, ... as quoted strings. One answer a result; the
// description of the prepared statement is one more. `copy_data` is sent to COPY FROM STDIN.
std::vector<Answer> run(PGconn* conn, const std::string& sql, Mode mode, const Row& values = {}, const std::string& copy_data = {});

// What of the rows is PostgreSQL's to say.
struct Order {
  enum class Kind {
    kFree,    // no ORDER BY: rows in any order
    kTotal,   // ORDER BY without ties: all
    kTies,    // these columns in order; rows that are equal in them in any order
    kTiesCut, // as before, under a LIMIT: which of the rows that tie is left open, too
    kCount    // LIMIT without ORDER BY: how many
  };
  Kind kind = Kind::kFree;
  std::vector<int> columns;  // from 0
};

// What differs, for people; empty when nothing does.
std::string difference(const std::vector<Answer>& ours, const std::vector<Answer>& theirs, const Order& order);

}  // namespace howdah::parity
