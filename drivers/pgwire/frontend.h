// Messages that a client sends: decoders of their bodies and encoders of whole messages.
//
//   Query       Q  sql:string
//   Parse       P  statement:string sql:string count:int16 type:int32[count]
//   Bind        B  portal:string statement:string formats values formats        see params.h
//   Describe    D  kind:byte1 ('S' or 'P') name:string
//   Execute     E  portal:string max_rows:int32                                 0 or less: no limit
//   Close       C  kind:byte1 ('S' or 'P') name:string
//   Sync S, Flush H, CopyDone c, Terminate X
//   CopyData    d  byte[n]
//   CopyFail    f  message:string
//   FunctionCall F function:int32 formats values format:int16
//   Password    p  password:string
//   SASLInitial p  mechanism:string length:int32 byte[length]                   length -1: no data
//   SASLResponse p byte[n]
//
// https://www.postgresql.org/docs/15/protocol-message-formats.html
//
// Decoders take a frame's body, return views into it, and are false when the body does not have this shape: a
// string without zero, a count or length beyond the body, a length below -1, bytes left over. The stream's
// boundaries are intact then: PostgreSQL answers ERROR 08P01, skips to Sync (extended protocol) and goes on.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/ids.h"
#include "drivers/pgwire/params.h"

namespace howdah::pgwire {

struct QueryMessage {
  Bytes sql;
};

struct ParseMessage {
  Bytes name;
  Bytes query;
  std::uint16_t type_count = 0;
  Bytes types;  // 4 * type_count bytes, as they stand in the message

  // The type of parameter i + 1; 0 when the client left it open.
  Oid type(std::size_t i) const { return i < type_count ? load_be<Oid>(types.data() + 4 * i) : 0; }
};

// formats.fits(params.count) is not checked here: PostgreSQL has a message of its own for it.
struct BindMessage {
  Bytes portal;
  Bytes statement;
  FormatCodes formats;
  Values params;
  FormatCodes result_formats;
  Bytes after_names;  // everything behind the two names: append_bind_renamed copies it
};

struct DescribeMessage {
  char kind = 'S';  // 'S' statement, 'P' portal
  Bytes name;
};

struct CloseMessage {
  char kind = 'S';
  Bytes name;
};

struct ExecuteMessage {
  Bytes portal;
  std::int32_t max_rows = 0;
};

struct CopyFailMessage {
  Bytes message;
};

struct FunctionCallMessage {
  Oid function = 0;
  FormatCodes formats;
  Values arguments;
  std::int16_t result_format = kTextFormat;
};

struct PasswordMessage {
  Bytes password;
};

struct SaslInitialMessage {
  Bytes mechanism;
  std::optional<Bytes> data;
};

bool decode(Bytes body, QueryMessage& out);
bool decode(Bytes body, ParseMessage& out);
bool decode(Bytes body, BindMessage& out);
bool decode(Bytes body, DescribeMessage& out);
bool decode(Bytes body, CloseMessage& out);
bool decode(Bytes body, ExecuteMessage& out);
bool decode(Bytes body, CopyFailMessage& out);
bool decode(Bytes body, FunctionCallMessage& out);
bool decode(Bytes body, PasswordMessage& out);
bool decode(Bytes body, SaslInitialMessage& out);

// Encoders append one whole message. Strings end at their first zero byte. A message must stay under 1 GiB,
// and an array under 65,536 items.
void append_query(std::string& out, Bytes sql);
void append_parse(std::string& out, Bytes name, Bytes query, std::span<const Oid> types = {});
// With the types as another Parse carried them; types.size() is 4 * type_count.
void append_parse_raw(std::string& out, Bytes name, Bytes query, std::uint16_t type_count, Bytes types);
void append_bind(std::string& out, Bytes portal, Bytes statement, std::span<const std::int16_t> formats,
                 std::span<const std::optional<Bytes>> params, std::span<const std::int16_t> result_formats);
// Another Bind's message with other names: the tail is copied as it is.
void append_bind_renamed(std::string& out, Bytes portal, Bytes statement, Bytes after_names);
void append_describe(std::string& out, char kind, Bytes name);
void append_execute(std::string& out, Bytes portal, std::int32_t max_rows = 0);
void append_close(std::string& out, char kind, Bytes name);
void append_sync(std::string& out);
void append_flush(std::string& out);
void append_terminate(std::string& out);
void append_password(std::string& out, Bytes password);
void append_sasl_initial(std::string& out, Bytes mechanism, std::optional<Bytes> data);
void append_sasl_response(std::string& out, Bytes data);
// CopyData, CopyDone: both directions use the same bytes.
void append_copy_data(std::string& out, Bytes data);
void append_copy_done(std::string& out);
void append_copy_fail(std::string& out, Bytes message);

}  // namespace howdah::pgwire
