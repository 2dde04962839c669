#include "tools/howdahctl/ini_file.h"

#include <algorithm>

namespace howdah::ctl {
namespace {

constexpr int kIncludeDepth = 10;
constexpr std::string_view kBlanks = " \t\r\n\f\v";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Error faulty(const std::string& file, int line, std::string what) {
  return {.code = ErrorCode::kConfig, .message = file + ":" + std::to_string(line) + ": " + std::move(what), .detail = {}, .hint = {}};
}

// Takes a name off the front, quoted or up to one of `ends`. Empty optional text: an unclosed quote.
bool take_name(std::string_view& text, char quote, std::string_view ends, std::string& name) {
  name.clear();
  if (text.empty() || text[0] != quote) {
    const auto end = std::min(text.find_first_of(ends), text.size());
    name = trim(text.substr(0, end));
    text.remove_prefix(end);
    return true;
  }
  text.remove_prefix(1);
  for (;;) {
    const auto end = text.find(quote);
    if (end == std::string_view::npos) return false;
    name += text.substr(0, end);
    text.remove_prefix(end + 1);
    if (text.empty() || text[0] != quote) return true;
    name += quote;
    text.remove_prefix(1);
  }
}

Result<bool> read_into(std::vector<IniSetting>& out, const std::string& path, std::string& section, const ReadFile& read, int depth) {
  const auto text = read(path);
  if (!text) return text.error();
  std::string_view rest = *text;
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string_view now = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (now.empty() || now[0] == ';' || now[0] == '#') continue;
    if (now[0] == '[') {
      const auto close = now.find(']');
      if (close == std::string_view::npos) return faulty(path, line, "a section without ]");
      section = now.substr(1, close - 1);
    } else if (now.starts_with("%include") && now.size() > 8 && kBlanks.find(now[8]) != std::string_view::npos) {
      if (depth == kIncludeDepth) return faulty(path, line, "includes are nested too deep");
      std::string file(trim(now.substr(9)));
      const auto folder = path.rfind('/');
      if (!file.starts_with('/') && folder != std::string::npos) file.insert(0, path, 0, folder + 1);
      const auto included = read_into(out, file, section, read, depth + 1);
      if (!included) return included;
    } else {
      IniSetting setting{.section = section, .key = {}, .value = {}, .file = path, .line = line};
      if (!take_name(now, '"', "=", setting.key)) return faulty(path, line, "a quote is not closed");
      now = trim(now);
      if (now.empty() || now[0] != '=') return faulty(path, line, "neither key = value nor a section");
      setting.value = trim(now.substr(1));
      out.push_back(std::move(setting));
    }
  }
  return true;
}

}  // namespace

Result<std::vector<IniSetting>> read_ini(const std::string& path, const ReadFile& read) {
  std::vector<IniSetting> out;
  std::string section;
  const auto done = read_into(out, path, section, read, 0);
  if (!done) return done.error();
  return out;
}

Result<std::vector<Word>> parse_words(std::string_view text) {
  std::vector<Word> out;
  for (text = trim(text); !text.empty(); text = trim(text)) {
    Word word;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) {
      return Error{.code = ErrorCode::kConfig, .message = "\"" + std::string(text) + "\" is not key=value", .detail = {}, .hint = {}};
    }
    word.key = trim(text.substr(0, equals));
    text = text.substr(equals + 1);
    while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
    if (!take_name(text, '\'', kBlanks, word.value)) {
      return Error{.code = ErrorCode::kConfig, .message = "the value of " + word.key + " has a quote that is not closed", .detail = {}, .hint = {}};
    }
    out.push_back(std::move(word));
  }
  return out;
}

std::vector<std::string> parse_names(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    if (text[0] == ',' || kBlanks.find(text[0]) != std::string_view::npos) {
      text.remove_prefix(1);
      continue;
    }
    std::string name;
    if (!take_name(text, '"', ", \t", name)) break;
    if (!name.empty()) out.push_back(std::move(name));
  }
  return out;
}

}  // namespace howdah::ctl
