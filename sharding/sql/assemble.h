// The way to answer any query that only reads: the rows of each of its tables come to one server, which then runs the query itself.
//
//   SELECT u.name FROM users u WHERE u.plan = (SELECT max(plan) FROM users) AND u.region = 'eu'
//   lower:  SELECT 0, "name", "plan", NULL FROM public.users WHERE "region" = 'eu'
//           UNION ALL SELECT 1, NULL, NULL, "plan" FROM public.users
//   upper:  SELECT u.name FROM <rows 0> AS u WHERE u.plan = (SELECT max(plan) FROM <rows 1> AS "users") AND u.region = 'eu'
//
// The lower part is one statement, so that each shard gives what it has at one time. Columns that the query does not name stay
// behind, and rows that a condition on their table alone shuts out.
#pragma once

#include <string>
#include <variant>

#include "sharding/sql/gather.h"
#include "sharding/sql/query_text.h"

namespace howdah::sharding::sql {

// Does it name a column with another collation than the database's?
bool uses_own_collation(const QueryWalker& walker);

// The reason why it cannot be done; empty when it can, as far as is known without the text. REQUIRES: `walker` has walked one
// statement that only reads.
std::string cannot_assemble(const QueryWalker& walker);

// Or the reason why it cannot be done. REQUIRES: `walker` has walked `text`.
std::variant<Gather, std::string> assemble(const QueryWalker& walker, const QueryText& text);

}  // namespace howdah::sharding::sql
