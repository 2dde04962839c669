// The statements in a file: SQL, PostgreSQL's log (stderr or csvlog), as an application leaves them.
// https://www.postgresql.org/docs/15/runtime-config-logging.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::ctl {

// One text, and how often it stands there.
struct Query {
  std::string text;
  std::uint64_t count = 1;
  bool operator==(const Query&) const = default;
};

enum class QueryFormat : std::uint8_t { kAuto, kSql, kLog, kCsv };

// Equal texts come once, in the order of their first appearance.
std::vector<Query> read_queries(std::string_view file, QueryFormat format = QueryFormat::kAuto);
// Adds one text, or counts it.
void add_query(std::vector<Query>& queries, std::string_view text, std::uint64_t count = 1);

}  // namespace howdah::ctl
