// pgbouncer.ini as PgBouncer reads it, with the line of every setting.
//
//   file    := { "[" section "]" | key "=" value | "%include" path | comment | blank }
//   comment := (";" | "#") ... to the end of the line, on a line of its own
//   key     := name | "\"" name "\"" with "" for one quote
//
// https://www.pgbouncer.org/config.html
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace howdah::ctl {

struct IniSetting {
  std::string section, key, value;
  std::string file;
  int line = 0;
  std::string place() const { return file + ":" + std::to_string(line); }
};

// What a file holds, includes in place. Reads no file but through `read`.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;
Result<std::vector<IniSetting>> read_ini(const std::string& path, const ReadFile& read);

// A [databases], [users] or [peers] value: key=value words, values bare or 'quoted with '' for one quote'.
struct Word {
  std::string key, value;
};
Result<std::vector<Word>> parse_words(std::string_view text);

// Names in a list such as admin_users: separated by commas or blanks, maybe "quoted".
std::vector<std::string> parse_names(std::string_view text);

}  // namespace howdah::ctl
