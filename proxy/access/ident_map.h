// Which system user or certificate may log in as which role: the maps of a file in pg_ident.conf's format.
//
//   line := map-name system-name role-name        role-name `all` fits every role
//
// https://www.postgresql.org/docs/15/auth-username-maps.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/access/lines.h"

namespace howdah::access {

struct IdentEntry {
  std::string map;
  std::string system_name;
  Token role;
};

struct IdentFile {
  std::vector<IdentEntry> entries;
  std::vector<FileFault> faults;
};

IdentFile parse_ident(std::string_view text, const std::string& path, const FileReader& read);

// Whether `system_name` may be `role`: by the map, or with an empty `map` when the names are equal.
bool may_be(const std::vector<IdentEntry>& entries, std::string_view map, std::string_view system_name, std::string_view role);

}  // namespace howdah::access
