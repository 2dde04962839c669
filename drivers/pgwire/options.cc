// The startup parameter `options`: PostgreSQL's pg_split_opts, getopt and ParseLongOption in one.
#include <algorithm>
#include <cctype>

#include "drivers/pgwire/startup.h"

namespace howdah::pgwire {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Takes the next word off the front of `rest`; false when there is none.
bool next_word(Bytes& rest, std::string& word) {
  word.clear();
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  if (rest.empty()) return false;
  for (bool escaped = false; !rest.empty(); rest.remove_prefix(1)) {
    const char c = rest.front();
    if (!escaped && is_space(c)) break;
    const bool starts_escape = !escaped && c == '\\';
    if (!starts_escape) word.push_back(c);
    escaped = starts_escape;
  }
  return true;
}

bool add_setting(Bytes text, std::vector<std::pair<std::string, std::string>>& out) {
  const std::size_t equals = text.find('=');
  if (equals == Bytes::npos || equals == 0) return false;
  std::string name(text.substr(0, equals));
  std::replace(name.begin(), name.end(), '-', '_');
  out.emplace_back(std::move(name), std::string(text.substr(equals + 1)));
  return true;
}

}  // namespace

bool parse_options(Bytes options, std::vector<std::pair<std::string, std::string>>& out) {
  std::string word;
  while (next_word(options, word)) {
    Bytes setting = word;
    if (setting == "--") return !next_word(options, word);  // ends the switches; no words may follow
    if (setting == "-c") {
      if (!next_word(options, word)) return false;
      setting = word;
    } else if (setting.starts_with("--") || setting.starts_with("-c")) {
      setting.remove_prefix(2);
    } else {
      return false;
    }
    if (!add_setting(setting, out)) return false;
  }
  return true;
}

// PostgreSQL's parse_bool: any unique prefix, in any case.
std::optional<std::string> replication_kind(Bytes value) {
  if (value == "database") return "database";
  std::string word(value);
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto is = [&](Bytes whole, std::size_t least) { return word.size() >= least && whole.starts_with(word); };
  if (is("true", 1) || is("yes", 1) || is("on", 2) || word == "1") return "true";
  if (is("false", 1) || is("no", 1) || is("off", 2) || word == "0") return "";
  return std::nullopt;
}

}  // namespace howdah::pgwire
