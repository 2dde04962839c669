// Where the texts of PREPARE and EXECUTE say which prepared statement they mean. Pure.
//
//   PREPARE name [ (types) ] AS statement
//   EXECUTE name [ (arguments) ]      also behind EXPLAIN [options] and CREATE TABLE ... AS
//
// https://www.postgresql.org/docs/15/sql-prepare.html https://www.postgresql.org/docs/15/sql-execute.html
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

struct PreparedName {
  std::uint32_t begin = 0;  // of the name's token in the text
  std::uint32_t end = 0;
  std::string name;         // as the catalog would have it: lower case unless quoted, at most 63 bytes
};

// The name that the statement prepares; nothing for U&"...".
std::optional<PreparedName> prepares(std::string_view sql, const sharding::sql::LexerOptions& options,
                                     const sharding::sql::StatementPlan& plan);
// The name that the statement executes; nothing when it is no such statement.
std::optional<PreparedName> executes(std::string_view sql, const sharding::sql::LexerOptions& options,
                                     const sharding::sql::StatementPlan& plan);

enum class ArgumentKind : std::uint8_t { kNull, kBoolean, kNumber, kString };

// The arguments of an EXECUTE, when all of them are integers, strings, booleans or NULL: as text that a parameter's input
// function reads. Nothing when one is another expression. `at`: behind the name. `kinds`, unless null: what each is.
std::optional<std::vector<std::optional<std::string>>> plain_arguments(std::string_view sql,
                                                                       const sharding::sql::LexerOptions& options,
                                                                       std::uint32_t at, std::uint32_t end,
                                                                       std::vector<ArgumentKind>* kinds = nullptr);

}  // namespace howdah::proxy
