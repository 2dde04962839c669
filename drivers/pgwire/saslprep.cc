#include "drivers/pgwire/saslprep.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

namespace howdah::pgwire {
namespace {

struct Range {
  char32_t first, last;
};

// RFC 3454, table C.1.2: mapped to U+0020.
constexpr Range kSpaces[] = {{0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200b},
                             {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

// RFC 3454, table B.1: mapped to nothing (what is a space above stays one).
constexpr Range kNothing[] = {{0xad, 0xad},     {0x34f, 0x34f},   {0x1806, 0x1806}, {0x180b, 0x180d},
                              {0x200c, 0x200d}, {0x2060, 0x2060}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}};

// RFC 3454, tables C.1.2 and C.2.1 to C.9: not allowed in the result.
constexpr Range kProhibited[] = {
    {0x0, 0x1f},        {0x7f, 0xa0},       {0x340, 0x341},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
    {0x1680, 0x1680},   {0x180e, 0x180e},   {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x2063},
    {0x206a, 0x206f},   {0x2ff0, 0x2ffb},   {0x3000, 0x3000},   {0xd800, 0xf8ff},   {0xfdd0, 0xfdef},
    {0xfeff, 0xfeff},   {0xfff9, 0xffff},   {0x1d173, 0x1d17a}, {0x1fffe, 0x1ffff}, {0x2fffe, 0x2ffff},
    {0x3fffe, 0x3ffff}, {0x4fffe, 0x4ffff}, {0x5fffe, 0x5ffff}, {0x6fffe, 0x6ffff}, {0x7fffe, 0x7ffff},
    {0x8fffe, 0x8ffff}, {0x9fffe, 0x9ffff}, {0xafffe, 0xaffff}, {0xbfffe, 0xbffff}, {0xcfffe, 0xcffff},
    {0xdfffe, 0xdffff}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xefffe, 0x10ffff}};

// Characters that are their own NFKC form beside any neighbour, are mapped nowhere above, and make a string
// neither prohibited nor right-to-left: Latin, Greek, Cyrillic, the euro sign, kana, Han ideographs, Hangul
// syllables, emoji.
constexpr Range kPlain[] = {{0xa1, 0xa7},     {0xa9, 0xa9},     {0xab, 0xac},     {0xae, 0xae},
                            {0xb0, 0xb1},     {0xb6, 0xb7},     {0xbb, 0xbb},     {0xbf, 0x131},
                            {0x134, 0x13e},   {0x141, 0x148},   {0x14a, 0x17e},   {0x386, 0x386},
                            {0x388, 0x38a},   {0x38c, 0x38c},   {0x38e, 0x3a1},   {0x3a3, 0x3ce},
                            {0x400, 0x481},   {0x48a, 0x4f9},   {0x20ac, 0x20ac}, {0x3041, 0x3094},
                            {0x30a1, 0x30fa}, {0x4e00, 0x9fa5}, {0xac00, 0xd7a3}, {0x1f600, 0x1f64f}};

bool contains(std::span<const Range> ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](Range r) { return c >= r.first && c <= r.last; });
}

bool is_ascii(Bytes text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Takes one character off the front; nothing for bytes that are not UTF-8 (over-long forms and surrogates
// included).
std::optional<char32_t> next_character(Bytes& rest) {
  const auto lead = static_cast<unsigned char>(rest.front());
  const std::size_t size = lead < 0x80                   ? 1
                           : lead >= 0xc2 && lead < 0xe0 ? 2
                           : lead >= 0xe0 && lead < 0xf0 ? 3
                           : lead >= 0xf0 && lead < 0xf5 ? 4
                                                         : 0;
  if (size == 0 || rest.size() < size) return std::nullopt;
  char32_t c = size == 1 ? lead : lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(rest[i]);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    c = c << 6 | (next & 0x3fU);
  }
  if ((size == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
      (size == 4 && (c < 0x10000 || c > 0x10ffff))) {
    return std::nullopt;
  }
  rest.remove_prefix(size);
  return c;
}

}  // namespace

std::string saslprep(Bytes password) {
  if (is_ascii(password)) return std::string(password);
  std::string result;
  for (Bytes rest = password; !rest.empty();) {
    const Bytes before = rest;
    const auto c = next_character(rest);
    if (!c) return std::string(password);
    if (contains(kSpaces, *c)) {
      result.push_back(' ');
    } else if (!contains(kNothing, *c)) {
      if (contains(kProhibited, *c)) return std::string(password);
      result.append(before.substr(0, before.size() - rest.size()));
    }
  }
  return result.empty() ? std::string(password) : result;
}

bool saslprep_is_exact(Bytes password) {
  bool plain = true;
  for (Bytes rest = password; !rest.empty();) {
    const auto c = next_character(rest);
    if (!c) return true;  // used as it is, by PostgreSQL too
    plain = plain && (*c < 0x80 || contains(kPlain, *c));
  }
  return plain;
}

}  // namespace howdah::pgwire
