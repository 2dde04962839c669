#include "sharding/copy/line_map.h"

#include <charconv>

namespace howdah::sharding {

namespace {

std::uint64_t take(Bytes bytes, std::size_t& at) {
  std::uint64_t out = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return out;
  }
}

}  // namespace

void LineMap::put(std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) rows_.push_back(static_cast<char>((number & 0x7f) | 0x80));
  rows_.push_back(static_cast<char>(number));
}

void LineMap::add(std::uint64_t end, std::uint32_t lines) {
  if (given_up_) return;
  put(end - end_);
  put(lines);
  end_ = end;
  if (rows_.size() < kMost) return;
  given_up_ = true;
  rows_ = {};
}

std::optional<std::uint64_t> LineMap::client_line(std::uint64_t line) const {
  std::uint64_t end = 0, own = 0;
  for (std::size_t at = 0; at < rows_.size();) {
    end += take(rows_, at);
    own += take(rows_, at);
    if (own >= line) return end - (own - line);
  }
  return std::nullopt;
}

std::string with_client_line(Bytes context, const LineMap& map) {
  constexpr Bytes kCopy = "COPY ", kLine = ", line ";
  const std::size_t copy = context.starts_with(kCopy) ? 0 : context.find("\nCOPY ");
  const std::size_t at = copy == Bytes::npos ? Bytes::npos : context.find(kLine, copy);
  if (at == Bytes::npos) return std::string(context);
  std::uint64_t line = 0;
  const char* const digits = context.data() + at + kLine.size();
  const auto [end, error] = std::from_chars(digits, context.data() + context.size(), line);
  if (error != std::errc()) return std::string(context);
  std::string out(context.substr(0, at));
  if (const auto client = map.client_line(line)) out.append(kLine).append(std::to_string(*client));
  return out.append(context.substr(static_cast<std::size_t>(end - context.data())));
}

}  // namespace howdah::sharding
