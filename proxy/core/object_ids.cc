#include "proxy/core/object_ids.h"

#include <algorithm>
#include <cstring>

#include "drivers/pgwire/types.h"

namespace howdah::proxy {

namespace {

constexpr std::size_t kFieldSize = 18;  // what follows a column's name
constexpr std::size_t kTypeAt = 6;      // the type's place in it; the table's is the first

Oid read_oid(const char* at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(at);
  return static_cast<Oid>(bytes[0]) << 24 | static_cast<Oid>(bytes[1]) << 16 | static_cast<Oid>(bytes[2]) << 8 | bytes[3];
}

void write_oid(char* at, Oid oid) {
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<char>(oid >> shift);
}

}  // namespace

void make_canonical(char type, char* body, std::size_t size, const schema::ObjectIds& ids) {
  char* at = body + 2;
  char* const end = body + size;
  if (type == pgwire::be::kParameterDescription) {
    for (; end - at >= 4; at += 4) write_oid(at, ids.type(read_oid(at)));
    return;
  }
  while (at < end) {
    char* const name_end = static_cast<char*>(std::memchr(at, 0, static_cast<std::size_t>(end - at)));
    if (name_end == nullptr || static_cast<std::size_t>(end - name_end) < 1 + kFieldSize) return;
    at = name_end + 1;
    write_oid(at, ids.relation(read_oid(at)));
    write_oid(at + kTypeAt, ids.type(read_oid(at + kTypeAt)));
    at += kFieldSize;
  }
}

std::span<const Oid> types_here(std::span<const Oid> types, const schema::ObjectIds* ids, std::vector<Oid>& room) {
  if (ids == nullptr || std::none_of(types.begin(), types.end(), [](Oid oid) { return oid >= schema::ObjectIds::kFirstUserOid; })) return types;
  room.assign(types.begin(), types.end());
  for (Oid& oid : room) oid = ids->type_here(oid);
  return room;
}

}  // namespace howdah::proxy
