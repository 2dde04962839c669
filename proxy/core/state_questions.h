// What is asked of a server about the session state that a client left on its connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/core/pins.h"

namespace howdah::proxy {

// One row: first the value of each of `names` (null: no such parameter), then 't' or 'f' for each of `kinds` that can be
// asked, in the order of askable(). REQUIRES: outside a transaction, where `kinds` has an advisory lock or a cursor.
// https://www.postgresql.org/docs/15/view-pg-locks.html, view-pg-cursors.html, catalog-pg-depend.html
std::string state_question(const std::vector<std::string>& names, Pins kinds);
// The reasons whose presence a server can tell.
const std::vector<Pins::Reason>& askable();

// Two columns, name and value: the parameters set in the session; those of extensions and applications are not among them.
// https://www.postgresql.org/docs/15/view-pg-settings.html
extern const char* const kSessionSettings;

using Row = std::vector<std::optional<std::string>>;
// The rows of a server's answer to a simple query.
std::vector<Row> rows_of(std::string_view messages);

}  // namespace howdah::proxy
