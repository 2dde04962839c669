#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/message_writer.h"

namespace howdah::pgwire {
namespace {

constexpr Oid kTextOid = 25;

void write_field(MessageWriter& message, const FieldDescription& field) {
  message.cstring(field.name);
  message.uint32(field.table);
  message.int16(field.column);
  message.uint32(field.type);
  message.int16(field.type_size);
  message.int32(field.type_modifier);
  message.int16(field.format);
}

void append_copy_response(std::string& out, char type, std::int8_t format,
                          std::span<const std::int16_t> columns) {
  MessageWriter message(out, type);
  message.byte(static_cast<char>(format));
  message.uint16(columns.size());
  for (const std::int16_t column : columns) message.int16(column);
}

}  // namespace

void append_parameter_status(std::string& out, Bytes name, Bytes value) {
  MessageWriter message(out, be::kParameterStatus);
  message.cstring(name);
  message.cstring(value);
}

void append_backend_key_data(std::string& out, std::int32_t pid, Bytes key) {
  MessageWriter message(out, be::kBackendKeyData);
  message.int32(pid);
  message.raw(key);
}

void append_ready_for_query(std::string& out, TxStatus status) {
  MessageWriter(out, be::kReadyForQuery).byte(static_cast<char>(status));
}

void append_command_complete(std::string& out, Bytes tag) {
  MessageWriter(out, be::kCommandComplete).cstring(tag);
}

void append_empty_query(std::string& out) {
  append_empty(out, be::kEmptyQueryResponse);
}

void append_parse_complete(std::string& out) {
  append_empty(out, be::kParseComplete);
}

void append_bind_complete(std::string& out) {
  append_empty(out, be::kBindComplete);
}

void append_close_complete(std::string& out) {
  append_empty(out, be::kCloseComplete);
}

void append_no_data(std::string& out) {
  append_empty(out, be::kNoData);
}

void append_portal_suspended(std::string& out) {
  append_empty(out, be::kPortalSuspended);
}

void append_parameter_description(std::string& out, std::span<const Oid> types) {
  MessageWriter message(out, be::kParameterDescription);
  message.uint16(types.size());
  for (const Oid type : types) message.uint32(type);
}

void append_row_description(std::string& out, std::span<const FieldDescription> fields) {
  MessageWriter message(out, be::kRowDescription);
  message.uint16(fields.size());
  for (const FieldDescription& field : fields) write_field(message, field);
}

void append_text_row_description(std::string& out, std::span<const Bytes> names) {
  MessageWriter message(out, be::kRowDescription);
  message.uint16(names.size());
  for (const Bytes name : names) write_field(message, {.name = name, .type = kTextOid, .type_size = -1});
}

void append_data_row(std::string& out, std::span<const std::optional<Bytes>> values) {
  MessageWriter(out, be::kDataRow).values(values);
}

void append_notification(std::string& out, std::int32_t pid, Bytes channel, Bytes payload) {
  MessageWriter message(out, be::kNotificationResponse);
  message.int32(pid);
  message.cstring(channel);
  message.cstring(payload);
}

void append_negotiate_protocol_version(std::string& out, int minor, std::span<const Bytes> options) {
  MessageWriter message(out, be::kNegotiateProtocolVersion);
  message.uint32((3U << 16) | static_cast<std::uint16_t>(minor));
  message.uint32(static_cast<std::uint32_t>(options.size()));
  for (const Bytes option : options) message.cstring(option);
}

void append_copy_in_response(std::string& out, std::int8_t format, std::span<const std::int16_t> columns) {
  append_copy_response(out, be::kCopyInResponse, format, columns);
}

void append_copy_out_response(std::string& out, std::int8_t format, std::span<const std::int16_t> columns) {
  append_copy_response(out, be::kCopyOutResponse, format, columns);
}

void append_copy_both_response(std::string& out, std::int8_t format, std::span<const std::int16_t> columns) {
  append_copy_response(out, be::kCopyBothResponse, format, columns);
}

void append_function_call_response(std::string& out, std::optional<Bytes> value) {
  MessageWriter(out, be::kFunctionCallResponse).value(value);
}

}  // namespace howdah::pgwire
