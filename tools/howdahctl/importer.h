// The state of one import, shared by the files that carry it out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/access/userlist.h"
#include "tools/howdahctl/import.h"
#include "tools/howdahctl/yaml_text.h"

namespace howdah::ctl {

class Importer {
 public:
  Importer(std::vector<IniSetting> settings, std::string folder, std::string hba_path, const KnownKeys& known)
      : settings_(std::move(settings)), folder_(std::move(folder)), hba_path_(std::move(hba_path)), known_(known) {}

  Result<Imported> run(const ReadFile& read);

 private:
  // import_settings.cc: the section [pgbouncer]
  void settings();
  void take(const IniSetting& setting);
  void listen_addresses(const IniSetting& setting);
  void defaults();

  // import_access.cc: who may connect, and how that is proven
  Result<bool> users(const ReadFile& read);
  void access();
  void auth_query(Yaml& database, const std::vector<Word>& words);

  // import_databases.cc: the sections [databases], [users] and [peers]
  void databases();
  void database(const IniSetting& setting);
  std::string server(const IniSetting& setting, const std::vector<Word>& words);
  void user_section();
  void overrides(Yaml& target, const std::string& section, const IniSetting& setting, const std::vector<Word>& words);

  void warn(const IniSetting& setting, std::string advice) { warn(setting.place(), setting.key, std::move(advice)); }
  void warn(std::string place, std::string setting, std::string advice) {
    out_.warnings.push_back({std::move(place), std::move(setting), std::move(advice)});
  }
  // Puts a value where this build has such a key; else warns.
  void put(const IniSetting& setting, std::string_view section, std::string_view key, Yaml value);
  const IniSetting* find(std::string_view key) const;       // the last of [pgbouncer]; null: not set
  std::string value(std::string_view key, std::string_view otherwise) const;
  std::string absolute(const std::string& path) const;      // PgBouncer takes paths from where it was started: the ini's folder
  Yaml& user(const std::string& name);

  std::vector<IniSetting> settings_;
  std::string folder_;
  std::string hba_path_;
  const KnownKeys& known_;
  Yaml yaml_;
  std::vector<std::pair<std::string, Yaml>> users_;          // that need more than the users_file says
  std::map<std::string, std::string> secrets_;               // of auth_file
  Imported out_;
};

// "300", "2.5" in seconds as our durations.
std::optional<std::string> duration_of(std::string_view seconds);
std::optional<std::string> whole_number(std::string_view text);

}  // namespace howdah::ctl
