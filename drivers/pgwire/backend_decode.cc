#include <charconv>

#include "drivers/pgwire/backend.h"

namespace howdah::pgwire {
namespace {

bool read_field(ByteReader& reader, FieldDescription& out) {
  return reader.read_cstring(out.name) && reader.read(out.table) && reader.read(out.column) &&
         reader.read(out.type) && reader.read(out.type_size) && reader.read(out.type_modifier) &&
         reader.read(out.format);
}

}  // namespace

bool RowDescription::next(Bytes& rest, FieldDescription& out) {
  ByteReader reader(rest);
  if (!read_field(reader, out)) return false;
  rest = reader.rest();
  return true;
}

bool decode(Bytes body, ParameterStatus& out) {
  ByteReader reader(body);
  return reader.read_cstring(out.name) && reader.read_cstring(out.value) && reader.at_end();
}

bool decode(Bytes body, BackendKeyData& out) {
  ByteReader reader(body);
  if (!reader.read(out.pid)) return false;
  out.key = reader.rest();
  return out.key.size() >= 4 && out.key.size() <= 256;
}

bool decode(Bytes body, ReadyForQuery& out) {
  if (body.size() != 1) return false;
  out.status = static_cast<TxStatus>(body.front());
  return out.status == TxStatus::kIdle || out.status == TxStatus::kInTransaction ||
         out.status == TxStatus::kFailed;
}

bool decode(Bytes body, CommandComplete& out) {
  ByteReader reader(body);
  return reader.read_cstring(out.tag) && reader.at_end();
}

bool decode(Bytes body, RowDescription& out) {
  ByteReader reader(body);
  if (!reader.read(out.count)) return false;
  out.fields = reader.rest();
  FieldDescription field;
  for (std::uint16_t i = 0; i < out.count; ++i) {
    if (!read_field(reader, field)) return false;
  }
  return reader.at_end();
}

bool decode(Bytes body, DataRow& out) {
  ByteReader reader(body);
  return out.values.read(reader) && reader.at_end();
}

bool decode(Bytes body, ParameterDescription& out) {
  ByteReader reader(body);
  return reader.read(out.count) && reader.read_bytes(std::size_t{4} * out.count, out.types) &&
         reader.at_end();
}

bool decode(Bytes body, Notification& out) {
  ByteReader reader(body);
  return reader.read(out.pid) && reader.read_cstring(out.channel) && reader.read_cstring(out.payload) &&
         reader.at_end();
}

bool decode(Bytes body, NegotiateProtocolVersion& out) {
  ByteReader reader(body);
  std::uint32_t version = 0;
  if (!reader.read(version) || !reader.read(out.count) || out.count < 0) return false;
  // PostgreSQL sends the whole version number; the manual speaks of the minor version only.
  if ((version >> 16) != 3 && (version >> 16) != 0) return false;
  out.minor = static_cast<int>(version & 0xffff);
  out.options = reader.rest();
  Bytes option;
  for (std::int32_t i = 0; i < out.count; ++i) {
    if (!reader.read_cstring(option)) return false;
  }
  return reader.at_end();
}

bool decode(Bytes body, CopyResponse& out) {
  ByteReader reader(body);
  return reader.read(out.format) && out.columns.read(reader) && reader.at_end();
}

bool decode(Bytes body, FunctionCallResponse& out) {
  ByteReader reader(body);
  std::int32_t length = 0;
  if (!reader.read(length) || length < -1) return false;
  out.value = {length == -1, {}};
  return (length == -1 || reader.read_bytes(static_cast<std::size_t>(length), out.value.bytes)) &&
         reader.at_end();
}

std::uint64_t affected_rows(Bytes tag) {
  const std::size_t space = tag.rfind(' ');
  if (space == Bytes::npos) return 0;
  std::uint64_t rows = 0;
  const char* end = tag.data() + tag.size();
  const auto [stop, error] = std::from_chars(tag.data() + space + 1, end, rows);
  return error == std::errc{} && stop == end ? rows : 0;
}

}  // namespace howdah::pgwire
