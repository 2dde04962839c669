#include "drivers/pgwire/frontend.h"

#include "drivers/pgwire/message_writer.h"

namespace howdah::pgwire {
namespace {

bool read_string_only(Bytes body, Bytes& out) {
  ByteReader reader(body);
  return reader.read_cstring(out) && reader.at_end();
}

bool read_target(Bytes body, char& kind, Bytes& name) {
  ByteReader reader(body);
  return reader.read(kind) && (kind == 'S' || kind == 'P') && reader.read_cstring(name) && reader.at_end();
}

void append_target(std::string& out, char type, char kind, Bytes name) {
  MessageWriter message(out, type);
  message.byte(kind);
  message.cstring(name);
}

void write_formats(MessageWriter& message, std::span<const std::int16_t> formats) {
  message.uint16(formats.size());
  for (const std::int16_t format : formats) message.int16(format);
}

}  // namespace

bool decode(Bytes body, QueryMessage& out) {
  return read_string_only(body, out.sql);
}

bool decode(Bytes body, ParseMessage& out) {
  ByteReader reader(body);
  return reader.read_cstring(out.name) && reader.read_cstring(out.query) && reader.read(out.type_count) &&
         reader.read_bytes(std::size_t{4} * out.type_count, out.types) && reader.at_end();
}

bool decode(Bytes body, BindMessage& out) {
  ByteReader reader(body);
  if (!reader.read_cstring(out.portal) || !reader.read_cstring(out.statement)) return false;
  out.after_names = reader.rest();
  return out.formats.read(reader) && out.params.read(reader) && out.result_formats.read(reader) &&
         reader.at_end();
}

bool decode(Bytes body, DescribeMessage& out) {
  return read_target(body, out.kind, out.name);
}

bool decode(Bytes body, CloseMessage& out) {
  return read_target(body, out.kind, out.name);
}

bool decode(Bytes body, ExecuteMessage& out) {
  ByteReader reader(body);
  return reader.read_cstring(out.portal) && reader.read(out.max_rows) && reader.at_end();
}

bool decode(Bytes body, CopyFailMessage& out) {
  return read_string_only(body, out.message);
}

bool decode(Bytes body, FunctionCallMessage& out) {
  ByteReader reader(body);
  return reader.read(out.function) && out.formats.read(reader) && out.arguments.read(reader) &&
         reader.read(out.result_format) && reader.at_end();
}

bool decode(Bytes body, PasswordMessage& out) {
  return read_string_only(body, out.password);
}

bool decode(Bytes body, SaslInitialMessage& out) {
  ByteReader reader(body);
  std::int32_t length = 0;
  if (!reader.read_cstring(out.mechanism) || !reader.read(length) || length < -1) return false;
  out.data.reset();
  if (length == -1) return reader.at_end();
  return reader.read_bytes(static_cast<std::size_t>(length), out.data.emplace()) && reader.at_end();
}

void append_query(std::string& out, Bytes sql) {
  MessageWriter(out, fe::kQuery).cstring(sql);
}

void append_parse(std::string& out, Bytes name, Bytes query, std::span<const Oid> types) {
  MessageWriter message(out, fe::kParse);
  message.cstring(name);
  message.cstring(query);
  message.uint16(types.size());
  for (const Oid type : types) message.uint32(type);
}

void append_parse_raw(std::string& out, Bytes name, Bytes query, std::uint16_t type_count, Bytes types) {
  MessageWriter message(out, fe::kParse);
  message.cstring(name);
  message.cstring(query);
  message.uint16(type_count);
  message.raw(types);
}

void append_bind(std::string& out, Bytes portal, Bytes statement, std::span<const std::int16_t> formats,
                 std::span<const std::optional<Bytes>> params, std::span<const std::int16_t> result_formats) {
  MessageWriter message(out, fe::kBind);
  message.cstring(portal);
  message.cstring(statement);
  write_formats(message, formats);
  message.values(params);
  write_formats(message, result_formats);
}

void append_bind_renamed(std::string& out, Bytes portal, Bytes statement, Bytes after_names) {
  MessageWriter message(out, fe::kBind);
  message.cstring(portal);
  message.cstring(statement);
  message.raw(after_names);
}

void append_describe(std::string& out, char kind, Bytes name) {
  append_target(out, fe::kDescribe, kind, name);
}

void append_execute(std::string& out, Bytes portal, std::int32_t max_rows) {
  MessageWriter message(out, fe::kExecute);
  message.cstring(portal);
  message.int32(max_rows);
}

void append_close(std::string& out, char kind, Bytes name) {
  append_target(out, fe::kClose, kind, name);
}

void append_sync(std::string& out) {
  append_empty(out, fe::kSync);
}

void append_flush(std::string& out) {
  append_empty(out, fe::kFlush);
}

void append_terminate(std::string& out) {
  append_empty(out, fe::kTerminate);
}

void append_password(std::string& out, Bytes password) {
  MessageWriter(out, fe::kPassword).cstring(password);
}

void append_sasl_initial(std::string& out, Bytes mechanism, std::optional<Bytes> data) {
  MessageWriter message(out, fe::kPassword);
  message.cstring(mechanism);
  message.value(data);
}

void append_sasl_response(std::string& out, Bytes data) {
  MessageWriter(out, fe::kPassword).raw(data);
}

void append_copy_data(std::string& out, Bytes data) {
  MessageWriter(out, fe::kCopyData).raw(data);
}

void append_copy_done(std::string& out) {
  append_empty(out, fe::kCopyDone);
}

void append_copy_fail(std::string& out, Bytes message) {
  MessageWriter(out, fe::kCopyFail).cstring(message);
}

}  // namespace howdah::pgwire
