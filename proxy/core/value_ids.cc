// OIDs inside of values in binary format: the element type of an array, the types of a record's fields.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/arrayfuncs.c (array_send), rowtypes.c (record_send),
// rangetypes.c (range_send), multirangetypes.c (multirange_send)
#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "drivers/pgwire/params.h"
#include "proxy/core/object_ids.h"

namespace howdah::proxy::ids {

namespace {

using Kind = schema::TypeShape::Kind;
constexpr int kDeepest = 64;
constexpr int kGuesses = 4;  // ranges in ranges of an unknown type
constexpr std::int32_t kMostDimensions = 6;

std::int32_t read_int(const char* at) { return load_be<std::int32_t>(at); }
Oid read_oid(const char* at) { return load_be<Oid>(at); }

// Goes through one value and exchanges OIDs in place.
class Walk {
 public:
  enum class To : std::uint8_t { kCanonical, kLocal, kNowhere };  // kNowhere: as kLocal, but only notes whether anything would change

  Walk(const schema::ObjectIds& ids, To to) : ids_(ids), to_(to) {}

  bool changes() const { return changes_; }

  // `type` is the server's. False: the bytes are no value of it.
  bool value(char* at, std::size_t size, Oid type, int depth = 0) {
    if (depth > kDeepest) return false;
    const auto shape = ids_.shape(type);
    switch (shape.kind) {
      case Kind::kPlain: return true;
      case Kind::kDomain: return value(at, size, shape.of, depth + 1);
      case Kind::kArray: return array(at, size, depth);
      case Kind::kRecord: return record(at, size, depth);
      case Kind::kRange: return range(at, size, shape.of, depth);
      case Kind::kMultirange: return multirange(at, size, shape.of, depth);
    }
    return false;
  }

  bool array(char* at, std::size_t size, int depth) {
    if (size < 12) return false;
    const std::int32_t dimensions = read_int(at), flags = read_int(at + 4);
    if (dimensions < 0 || dimensions > kMostDimensions || (flags != 0 && flags != 1)) return false;
    const std::size_t head = 12 + std::size_t{8} * static_cast<std::size_t>(dimensions);
    if (size < head) return false;
    const Oid element = exchange(at + 8);
    return items(at + head, size - head, element, depth);
  }

  bool record(char* at, std::size_t size, int depth) {
    if (size < 4) return false;
    std::int32_t fields = read_int(at);
    for (at += 4, size -= 4; fields > 0; --fields) {
      if (size < 8) return false;
      const Oid type = exchange(at);
      const std::size_t length = length_of(at + 4);
      at += 8;
      size -= 8;
      if (length == kNull) continue;
      if (length > size || !value(at, length, type, depth + 1)) return false;
      at += length;
      size -= length;
    }
    return fields == 0 && size == 0;
  }

  bool range(char* at, std::size_t size, Oid bound, int depth) {
    constexpr unsigned char kKnownFlags = 0x7f;
    return size >= 1 && (static_cast<unsigned char>(*at) & ~kKnownFlags) == 0 && items(at + 1, size - 1, bound, depth);
  }

  bool multirange(char* at, std::size_t size, Oid range_type, int depth) {
    return size >= 4 && read_int(at) >= 0 && items(at + 4, size - 4, range_type, depth);
  }

 private:
  static constexpr std::size_t kNull = ~std::size_t{0};
  static std::size_t length_of(const char* at) {
    const std::int32_t length = read_int(at);
    return length < 0 ? kNull : static_cast<std::size_t>(length);
  }

  // Values behind their lengths, to the end.
  bool items(char* at, std::size_t size, Oid type, int depth) {
    while (size > 0) {
      if (size < 4) return false;
      const std::size_t length = length_of(at);
      at += 4;
      size -= 4;
      if (length == kNull) continue;
      if (length > size || !value(at, length, type, depth + 1)) return false;
      at += length;
      size -= length;
    }
    return true;
  }

  // Gives the server's.
  Oid exchange(char* at) {
    const Oid read = read_oid(at);
    const Oid here = to_ == To::kCanonical ? read : ids_.type_here(read);
    const Oid written = to_ == To::kCanonical ? ids_.type(read) : here;
    changes_ = changes_ || written != read;
    if (to_ != To::kNowhere && written != read) store_be(at, written);
    return here;
  }

  const schema::ObjectIds& ids_;
  const To to_;
  bool changes_ = false;
};

bool has_oids(Oid type, const schema::ObjectIds& ids) {
  for (int depth = 0; depth < kDeepest; ++depth) {
    const auto shape = ids.shape(type);
    if (shape.kind == Kind::kArray || shape.kind == Kind::kRecord) return true;
    if (shape.kind == Kind::kPlain) return false;
    type = shape.of;
  }
  return true;
}

}  // namespace

bool read_columns(const char* body, std::size_t size, const schema::ObjectIds& ids, std::vector<Column>& out) {
  constexpr std::size_t kFieldSize = 18, kTypeAt = 6, kFormatAt = 16;  // behind a column's name
  out.clear();
  bool known = true;
  if (!ids.types_differ()) return known;
  const char* at = body + 2;
  const char* const end = body + size;
  for (std::uint16_t index = 0; at < end; ++index) {
    const char* const name_end = static_cast<const char*>(std::memchr(at, 0, static_cast<std::size_t>(end - at)));
    if (name_end == nullptr || static_cast<std::size_t>(end - name_end) < 1 + kFieldSize) return false;
    at = name_end + 1;
    const Oid type = read_oid(at + kTypeAt);
    known = known && ids.knows(type);
    if (load_be<std::int16_t>(at + kFormatAt) == pgwire::kBinaryFormat && has_oids(type, ids)) out.push_back({index, type});
    at += kFieldSize;
  }
  return known;
}

bool make_row_canonical(char* body, std::size_t size, std::span<const Column> columns, const schema::ObjectIds& ids) {
  char* at = body + 2;
  std::size_t left = size - 2;
  auto column = columns.begin();
  for (std::uint16_t index = 0; column != columns.end(); ++index) {
    if (left < 4) return false;
    const std::int32_t length = read_int(at);
    const std::size_t bytes = length < 0 ? 0 : static_cast<std::size_t>(length);
    if (bytes > left - 4) return false;
    if (index == column->index) {
      if (length >= 0 && !Walk(ids, Walk::To::kCanonical).value(at + 4, bytes, column->type)) return false;
      ++column;
    }
    at += 4 + bytes;
    left -= 4 + bytes;
  }
  return true;
}

namespace {

// A value of an unknown type that might have an OID in it that is another one on the server.
bool may_need_translation(std::string_view value, const schema::ObjectIds& ids, int depth = 0) {
  if (!ids.types_differ() || value.size() < 12 || depth > kGuesses) return false;
  char* const at = const_cast<char*>(value.data());  // kNowhere writes nothing
  Walk array(ids, Walk::To::kNowhere), record(ids, Walk::To::kNowhere);
  if ((array.array(at, value.size(), 0) && array.changes()) || (record.record(at, value.size(), 0) && record.changes())) return true;
  // A range's bounds, or a multirange's ranges, may be of such types: whatever is behind a length.
  for (const std::size_t head : {std::size_t{1}, std::size_t{4}}) {
    bool found = false;
    std::size_t i = head;
    while (value.size() - i >= 4) {
      const std::int32_t length = read_int(at + i);
      i += 4;
      if (length < 0 || static_cast<std::size_t>(length) > value.size() - i) break;
      found = found || may_need_translation(value.substr(i, static_cast<std::size_t>(length)), ids, depth + 1);
      i += static_cast<std::size_t>(length);
    }
    if (i == value.size() && found) return true;
  }
  return false;
}

}  // namespace

std::optional<Error> make_bind_local(char* tail, std::size_t size, std::span<const Oid> types, std::span<const Oid> described, const schema::ObjectIds& ids) {
  if (!ids.types_differ()) return std::nullopt;
  ByteReader reader(Bytes(tail, size));
  pgwire::FormatCodes formats;
  pgwire::Values params;
  if (!formats.read(reader) || !params.read(reader)) return std::nullopt;
  std::size_t i = 0;
  for (const pgwire::Value value : params) {
    const std::size_t at = i++;
    if (value.null || formats.of(at) != pgwire::kBinaryFormat) continue;
    Oid type = at < types.size() ? types[at] : 0;
    if (type == 0 && at < described.size()) type = described[at];
    if (type == 0) {
      if (!may_need_translation(value.bytes, ids)) continue;
      return make_error(ErrorCode::kUnsupported, "the type of parameter $" + std::to_string(at + 1) + " has to be known to send it to this shard in binary format",
                         "Give its type with Parse, describe the statement first, or send the value as text.",
                         "It may hold numbers of users' types, which are others on each shard.");
    }
    const Oid here = ids.type_here(type);
    // Where it is not what its type says, the server says so.
    if (has_oids(here, ids)) Walk(ids, Walk::To::kLocal).value(tail + (value.bytes.data() - tail), value.bytes.size(), here);
  }
  return std::nullopt;
}

}  // namespace howdah::proxy::ids
