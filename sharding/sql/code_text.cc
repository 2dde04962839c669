#include "sharding/sql/code_text.h"

#include <string>

#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (static_cast<unsigned char>(c) & 0x80) != 0;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// A word at `at`, behind spaces; moves behind it.
std::string_view next_word(std::string_view text, std::size_t& at) {
  while (at < text.size() && is_space(text[at])) ++at;
  const std::size_t begin = at;
  while (at < text.size() && (is_word(text[at]) || text[at] == '.')) ++at;
  return text.substr(begin, at - begin);
}

}  // namespace

bool find_settings_in_code(std::string_view original, std::vector<ConfigCall>& names) {
  std::string text(original);
  for (char& c : text) c = lower_ascii(c);
  bool all_known = true;
  const auto starts_word = [&](std::size_t at) { return at == 0 || !is_word(text[at - 1]); };
  constexpr std::string_view call = "set_config";
  for (auto at = text.find(call); at != std::string::npos; at = text.find(call, at)) {
    const bool whole = starts_word(at);
    at += call.size();
    while (at < text.size() && is_space(text[at])) ++at;
    if (!whole || at >= text.size() || text[at] != '(') continue;
    ++at;
    while (at < text.size() && is_space(text[at])) ++at;
    std::size_t quotes = 0;  // doubled where the code is itself a literal
    while (at < text.size() && text[at] == '\'') ++at, ++quotes;
    const auto end = text.find('\'', at);
    if (quotes == 0 || end == std::string::npos) {
      all_known = false;
    } else {
      names.push_back({text.substr(at, end - at), 0, false});
    }
  }
  for (auto at = text.find("set"); at != std::string::npos; at = text.find("set", at)) {
    const bool whole = starts_word(at) && (at + 3 >= text.size() || is_space(text[at + 3]));
    at += 3;
    if (!whole) continue;  // also the end of RESET
    std::size_t behind = at;
    auto word = next_word(text, behind);
    if (word == "session") word = next_word(text, behind);
    if (word.find('.') != std::string_view::npos) names.push_back({std::string(word), 0, false});
  }
  return all_known;
}

}  // namespace howdah::sharding::sql
