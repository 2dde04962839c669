#include "proxy/access/ident_map.h"

#include <algorithm>

namespace howdah::access {

IdentFile parse_ident(std::string_view text, const std::string& path, const FileReader& read) {
  IdentFile file;
  for (const Line& line : parse_lines(text, path, read, file.faults)) {
    const auto& fields = line.fields;
    const bool single = std::all_of(fields.begin(), fields.end(), [](const Field& field) { return field.size() == 1; });
    if (fields.size() != 3 || !single) {
      file.faults.push_back({path, line.number, "a line has a map's name, a system user and a role"});
      continue;
    }
    const Token& system_name = fields[1].front();
    const Token& role = fields[2].front();
    if (system_name.text.starts_with('/') || role.text.starts_with('/')) {
      file.faults.push_back({path, line.number, "regular expressions are not supported; list the names"});
      continue;
    }
    if (!role.quoted && role.text.starts_with('+')) {
      file.faults.push_back({path, line.number, "\"" + role.text + "\" is not supported: Howdah does not know who is a member of which role"});
      continue;
    }
    file.entries.push_back({fields[0].front().text, system_name.text, role});
  }
  return file;
}

bool may_be(const std::vector<IdentEntry>& entries, std::string_view map, std::string_view system_name, std::string_view role) {
  if (map.empty()) return system_name == role;
  return std::any_of(entries.begin(), entries.end(), [&](const IdentEntry& entry) {
    return entry.map == map && entry.system_name == system_name && (entry.role.is("all") || entry.role.text == role);
  });
}

}  // namespace howdah::access
