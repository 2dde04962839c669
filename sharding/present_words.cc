#include "sharding/present_words.h"

#include <algorithm>
#include <string>

namespace howdah::sharding {

namespace {

constexpr Bytes kWords[] = {"now", "today", "tomorrow", "yesterday"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

}  // namespace

bool names_the_present(Bytes text) {
  return std::any_of(std::begin(kWords), std::end(kWords), [&](Bytes word) {
    return std::search(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) { return lower(a) == b; }) != text.end();
  });
}

bool may_be_the_present(Bytes text) {
  constexpr std::size_t kLongestTime = 128;  // MAXDATELEN, which is the length of what is parsed
  const bool composed = !text.empty() && (text[0] == '{' || text[0] == '[' || text[0] == '(');  // arrays, ranges, rows
  if ((text.size() > kLongestTime && !composed) || !names_the_present(text)) return false;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_letter(text[at])) {
      ++at;
      continue;
    }
    std::string word;
    for (; at < text.size() && is_letter(text[at]); ++at) word.push_back(lower(text[at]));
    if (std::find(std::begin(kWords), std::end(kWords), Bytes(word)) != std::end(kWords)) return true;
  }
  return false;
}

}  // namespace howdah::sharding
