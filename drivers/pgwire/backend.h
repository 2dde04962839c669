// Messages that a server sends: decoders of their bodies and encoders of whole messages. Errors and notices
// are in error_fields.h, authentication requests in authentication.h; both come with this header.
//
//   ParameterStatus      S  name:string value:string
//   BackendKeyData       K  pid:int32 key:byte[n]                     n is 4; protocol 3.2 allows 4 to 256
//   ReadyForQuery        Z  status:byte1 ('I', 'T' or 'E')
//   CommandComplete      C  tag:string
//   RowDescription       T  count:int16 (name:string table:int32 column:int16 type:int32 size:int16
//                           modifier:int32 format:int16)[count]
//   DataRow              D  values                                     see params.h
//   ParameterDescription t  count:int16 type:int32[count]
//   NotificationResponse A  pid:int32 channel:string payload:string
//   NegotiateProtocolVersion v  version:int32 count:int32 option:string[count]
//   CopyIn/Out/BothResponse G H W  format:int8 count:int16 code:int16[count]
//   CopyData             d  byte[n]
//   FunctionCallResponse V  length:int32 byte[length]                  length -1: NULL
//   ParseComplete 1, BindComplete 2, CloseComplete 3, EmptyQueryResponse I, NoData n, PortalSuspended s,
//   CopyDone c
//
// https://www.postgresql.org/docs/15/protocol-message-formats.html
//
// Decoders take a frame's body, return views into it, and are false when the body does not have this shape.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "base/ids.h"
#include "drivers/pgwire/authentication.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/params.h"

namespace howdah::pgwire {

struct ParameterStatus {
  Bytes name;
  Bytes value;
};

struct BackendKeyData {
  std::int32_t pid = 0;
  Bytes key;
};

struct ReadyForQuery {
  TxStatus status = TxStatus::kIdle;
};

struct CommandComplete {
  Bytes tag;
};

struct FieldDescription {
  Bytes name;
  Oid table = 0;            // 0: not a table's column
  std::int16_t column = 0;  // attribute number
  Oid type = 0;
  std::int16_t type_size = 0;  // negative: of variable width
  std::int32_t type_modifier = -1;
  std::int16_t format = kTextFormat;

  bool operator==(const FieldDescription&) const = default;
};

struct RowDescription {
  std::uint16_t count = 0;
  Bytes fields;  // from the first field on, for iteration

  // Takes the next field off the front of a copy of `fields`; false at the end.
  static bool next(Bytes& rest, FieldDescription& out);
};

struct DataRow {
  Values values;
};

struct ParameterDescription {
  std::uint16_t count = 0;
  Bytes types;  // 4 * count bytes

  Oid type(std::size_t i) const { return i < count ? load_be<Oid>(types.data() + 4 * i) : 0; }
};

struct Notification {
  std::int32_t pid = 0;
  Bytes channel;
  Bytes payload;
};

struct NegotiateProtocolVersion {
  int minor = 0;  // the newest minor version of protocol 3 that the server speaks
  std::int32_t count = 0;
  Bytes options;  // the options that it does not know, each with its zero
};

// CopyInResponse, CopyOutResponse and CopyBothResponse.
struct CopyResponse {
  std::int8_t format = 0;  // 0 text (or CSV), 1 binary
  FormatCodes columns;
};

struct FunctionCallResponse {
  Value value;
};

bool decode(Bytes body, ParameterStatus& out);
bool decode(Bytes body, BackendKeyData& out);
bool decode(Bytes body, ReadyForQuery& out);
bool decode(Bytes body, CommandComplete& out);
bool decode(Bytes body, RowDescription& out);
bool decode(Bytes body, DataRow& out);
bool decode(Bytes body, ParameterDescription& out);
bool decode(Bytes body, Notification& out);
bool decode(Bytes body, NegotiateProtocolVersion& out);
bool decode(Bytes body, CopyResponse& out);
bool decode(Bytes body, FunctionCallResponse& out);

// The row count at the end of a command tag; 0 for tags that carry none.
std::uint64_t affected_rows(Bytes tag);

// Encoders append one whole message. Strings end at their first zero byte. A message must stay under 1 GiB,
// and an array under 65,536 items. CopyData and CopyDone are in frontend.h.
void append_parameter_status(std::string& out, Bytes name, Bytes value);
void append_backend_key_data(std::string& out, std::int32_t pid, Bytes key);
void append_ready_for_query(std::string& out, TxStatus status);
void append_command_complete(std::string& out, Bytes tag);
void append_empty_query(std::string& out);
void append_parse_complete(std::string& out);
void append_bind_complete(std::string& out);
void append_close_complete(std::string& out);
void append_no_data(std::string& out);
void append_portal_suspended(std::string& out);
void append_parameter_description(std::string& out, std::span<const Oid> types);
void append_row_description(std::string& out, std::span<const FieldDescription> fields);
void append_data_row(std::string& out, std::span<const std::optional<Bytes>> values);
void append_notification(std::string& out, std::int32_t pid, Bytes channel, Bytes payload);
void append_negotiate_protocol_version(std::string& out, int minor, std::span<const Bytes> options);
void append_copy_in_response(std::string& out, std::int8_t format, std::span<const std::int16_t> columns);
void append_copy_out_response(std::string& out, std::int8_t format, std::span<const std::int16_t> columns);
void append_copy_both_response(std::string& out, std::int8_t format, std::span<const std::int16_t> columns);
void append_function_call_response(std::string& out, std::optional<Bytes> value);

// Columns of type text, as PostgreSQL describes those of SHOW: for consoles.
void append_text_row_description(std::string& out, std::span<const Bytes> names);
inline void append_text_row_description(std::string& out, std::initializer_list<Bytes> names) {
  append_text_row_description(out, std::span(names.begin(), names.size()));
}

}  // namespace howdah::pgwire
