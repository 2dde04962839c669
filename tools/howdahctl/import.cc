#include "tools/howdahctl/import.h"

#include "tools/howdahctl/importer.h"

namespace howdah::ctl {

KnownKeys keys_of_reference(std::string_view markdown) {
  KnownKeys out;
  std::string section;
  while (!markdown.empty()) {
    const auto end = std::min(markdown.find('\n'), markdown.size());
    const std::string_view line = markdown.substr(0, end);
    markdown.remove_prefix(std::min(end + 1, markdown.size()));
    if (line.starts_with("## ")) {
      section = line.substr(3);
      if (section == "The file") section.clear();
    } else if (line.starts_with("| `")) {
      const auto close = line.find('`', 3);
      if (close != std::string_view::npos) out.insert((section.empty() ? "" : section + ".") + std::string(line.substr(3, close - 3)));
    }
  }
  return out;
}

Result<Imported> import_pgbouncer(const std::string& path, const std::string& hba_path, const KnownKeys& known, const ReadFile& read) {
  auto settings = read_ini(path, read);
  if (!settings) return settings.error();
  const auto slash = path.rfind('/');
  return Importer(std::move(*settings), slash == std::string::npos ? "" : path.substr(0, slash + 1), hba_path, known).run(read);
}

Result<Imported> Importer::run(const ReadFile& read) {
  bool any = false;
  for (const auto& setting : settings_) any = any || setting.section == "pgbouncer" || setting.section == "databases";
  if (!any) {
    return Error{.code = ErrorCode::kConfig, .message = "no section [pgbouncer] or [databases]: is this a pgbouncer.ini?", .detail = {}, .hint = {}};
  }
  settings();
  const auto listed = users(read);
  if (!listed) return listed.error();
  access();
  user_section();
  databases();
  for (auto& [name, more] : users_) {
    Yaml entry;
    entry["name"] = Yaml::text(name);
    for (const char* key : {"admin", "stats", "server_password", "pool_size", "limits"}) {
      if (const Yaml* found = more.find(key)) entry[key] = *found;
    }
    yaml_["users"].add(std::move(entry));
  }
  Yaml ordered;
  for (const char* key : {"listen", "hba", "users_file", "users", "pool", "limits", "logging", "databases"}) {
    if (const Yaml* found = yaml_.find(key); found != nullptr && !found->empty()) ordered[key] = *found;
  }
  out_.yaml = "# Made from a PgBouncer configuration by howdahctl import; docs/CONFIG.md lists every key.\n" + ordered.to_string();
  return std::move(out_);
}

const IniSetting* Importer::find(std::string_view key) const {
  const IniSetting* last = nullptr;
  for (const auto& setting : settings_) {
    if (setting.section == "pgbouncer" && setting.key == key) last = &setting;
  }
  return last;
}

std::string Importer::value(std::string_view key, std::string_view otherwise) const {
  const IniSetting* setting = find(key);
  return setting == nullptr || setting->value.empty() ? std::string(otherwise) : setting->value;
}

std::string Importer::absolute(const std::string& path) const { return path.starts_with('/') ? path : folder_ + path; }

Yaml& Importer::user(const std::string& name) {
  for (auto& [known_name, entry] : users_) {
    if (known_name == name) return entry;
  }
  return users_.emplace_back(name, Yaml{}).second;
}

}  // namespace howdah::ctl
