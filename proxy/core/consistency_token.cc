#include "proxy/core/consistency_token.h"

#include <charconv>

namespace howdah::proxy {

namespace {

constexpr std::string_view kPrefix = "howdah1";

// All of `text`.
template <class Number>
bool read_number(std::string_view text, Number& out, int base) {
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out, base);
  return error == std::errc() && stop == end;
}

std::string hex(std::uint64_t value) {
  char room[16];
  const auto [end, error] = std::to_chars(room, room + sizeof room, value, 16);
  return {room, end};
}

// Up to `end`, which is taken away with it; the rest where there is none.
std::string_view take(std::string_view& text, char end) {
  const auto at = text.find(end);
  const auto part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

bool read_position(std::string_view text, ConsistencyToken::Position& out) {
  if (text.find('=') == std::string_view::npos || text.find('/') == std::string_view::npos) return false;
  out.shard = take(text, '=');
  const auto timeline = take(text, '/');
  return !out.shard.empty() && read_number(timeline, out.timeline, 10) && read_number(text, out.lsn, 16);
}

}  // namespace

std::string ConsistencyToken::text() const {
  std::string out = std::string(kPrefix) + ":" + cluster + ":" + std::to_string(epoch) + ":";
  for (std::size_t i = 0; i < positions.size(); ++i) {
    out += (i > 0 ? "," : "") + positions[i].shard + "=" + std::to_string(positions[i].timeline) + "/" + hex(positions[i].lsn);
  }
  return out;
}

std::optional<ConsistencyToken> ConsistencyToken::parse(std::string_view text) {
  ConsistencyToken out;
  if (take(text, ':') != kPrefix) return std::nullopt;
  out.cluster = take(text, ':');
  if (text.find(':') == std::string_view::npos || !read_number(take(text, ':'), out.epoch, 10)) return std::nullopt;
  while (!text.empty()) {
    Position position;
    if (!read_position(take(text, ','), position)) return std::nullopt;
    out.positions.push_back(std::move(position));
  }
  return out;
}

}  // namespace howdah::proxy
