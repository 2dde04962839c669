#include "proxy/core/part_bind.h"

#include <algorithm>

#include "proxy/core/extended.h"
#include "schema/types.h"

namespace howdah::proxy {

namespace sql = sharding::sql;

namespace {

std::size_t read_int16(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at]) << 8 | static_cast<unsigned char>(bytes[at + 1]));
}

// Where the count of the result formats stands.
std::size_t formats_at(Bytes tail) {
  std::size_t at = 2 + 2 * read_int16(tail, 0);
  const std::size_t params = read_int16(tail, at);
  at += 2;
  for (std::size_t i = 0; i < params; ++i) {
    const std::size_t length = read_int16(tail, at) << 16 | read_int16(tail, at + 2);
    at += 4 + (length == 0xffffffff ? 0 : length);
  }
  return at;
}

void put_int16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

}  // namespace

const std::string kBindNothing(6, '\0');

std::size_t hidden_columns(const sql::Spread& spread) {
  return static_cast<std::size_t>(std::count_if(spread.sort.begin(), spread.sort.end(), [](const auto& key) { return key.hidden; }));
}

std::string with_formats(std::string tail, std::size_t hidden) {
  const std::size_t at = formats_at(tail);
  const std::size_t formats = read_int16(tail, at);
  if (formats < 2 || hidden == 0) return tail;
  tail[at] = static_cast<char>((formats + hidden) >> 8);
  tail[at + 1] = static_cast<char>(formats + hidden);
  tail.append(2 * hidden, '\0');
  return tail;
}

std::vector<std::int16_t> result_formats(Bytes tail) {
  const std::size_t at = formats_at(tail);
  std::vector<std::int16_t> formats(read_int16(tail, at));
  for (std::size_t i = 0; i < formats.size(); ++i) formats[i] = static_cast<std::int16_t>(read_int16(tail, at + 2 + 2 * i));
  return formats;
}

Bytes formats_of(Bytes tail) { return tail.substr(formats_at(tail)); }

std::string with_result_formats(std::string tail, std::span<const std::int16_t> formats) {
  tail.resize(formats_at(tail));
  put_int16(tail, formats.size());
  for (const std::int16_t format : formats) put_int16(tail, static_cast<std::uint16_t>(format));
  return tail;
}

std::string bind_formats(std::span<const std::int16_t> formats) { return with_result_formats(kBindNothing, formats); }

std::vector<Oid> part_types(const Portal& portal, const sql::Spread& spread) {
  std::vector<Oid> types = portal.statement->types;
  for (const auto& count : {spread.limit, spread.offset}) {
    if (count.kind != sql::RowCount::Kind::kParam) continue;
    if (types.size() <= count.index) types.resize(count.index + 1);
    if (types[count.index] == 0) types[count.index] = schema::kInt8Oid;
  }
  return types;
}

}  // namespace howdah::proxy
