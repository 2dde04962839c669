// The packets that open a connection; they have no type byte.
//
//   packet         := length:int32 code:int32 rest                   length counts itself; at most 10,004
//   SSLRequest     := 8 80877103
//   GSSENCRequest  := 8 80877104
//   CancelRequest  := 12+n 80877102 pid:int32 key:byte[n]            n is 4; protocol 3.2 allows 4 to 256
//   StartupMessage := length major:int16 minor:int16 (name:string value:string)* 0
//
// https://www.postgresql.org/docs/15/protocol-message-formats.html
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "drivers/pgwire/frame.h"

namespace howdah::pgwire {

// Bytes of a startup packet after its length field (PostgreSQL's MAX_STARTUP_PACKET_LENGTH).
inline constexpr std::uint32_t kMaxStartupLength = 10000;

// Names and values are views into the packet.
using StartupParams = std::vector<std::pair<Bytes, Bytes>>;

struct StartupRequest {
  enum Kind : std::uint8_t { kSsl, kGss, kCancel, kStartup };
  Kind kind = kStartup;
  // kStartup. Only major 3 has its parameters read; for any other PostgreSQL answers FATAL 0A000
  // "unsupported frontend protocol". An SSLRequest's code read as a version is 1234.5679.
  int major = 0;
  int minor = 0;
  StartupParams params;
  // kCancel
  std::int32_t cancel_pid = 0;
  Bytes cancel_key;

  // The value of a parameter. Of a repeated name the last counts, as in PostgreSQL.
  std::optional<Bytes> param(Bytes name) const;
};

// Reads one packet from the front of `in`; on kOk `consumed` is its size. Bytes behind an SSLRequest or
// GSSENCRequest are the caller's to refuse (they were sent in plain text by someone who expects them to be
// encrypted). kMalformed: a length out of bounds, a name without value, a missing or early terminator, a key
// out of bounds.
FrameStatus next_startup(Bytes in, StartupRequest& out, std::size_t& consumed);

// A protocol option, not a setting. None is known in protocol 3.0: each is listed in
// NegotiateProtocolVersion.
inline bool is_protocol_option(Bytes name) {
  return name.starts_with("_pq_.");
}

// A connection that begins with TLS, without SSLRequest (PostgreSQL 17's sslnegotiation=direct).
inline bool begins_with_tls(Bytes in) {
  return !in.empty() && in.front() == 0x16;
}

// A packet that says it is a CancelRequest, whether or not the rest of it is right.
bool begins_with_cancel(Bytes in);

void append_ssl_request(std::string& out);
void append_gss_request(std::string& out);
void append_cancel_request(std::string& out, std::int32_t pid, Bytes key);
void append_startup(std::string& out, int minor, std::span<const std::pair<Bytes, Bytes>> params);

// What the startup parameter `replication` asks for: "database", "true", or "" for an ordinary connection. Nothing when
// it is neither "database" nor a boolean. https://www.postgresql.org/docs/15/protocol-replication.html
std::optional<std::string> replication_kind(Bytes value);

// Splits the value of the startup parameter `options` into settings, in order, as PostgreSQL splits it: words
// end at white space, a backslash takes the next character as it is, `-c name=value`, `-cname=value` and
// `--name=value` set a parameter, and `-` in a name stands for `_`. False for anything else (PostgreSQL's
// other switches included, such as -e or -S): nothing is lost silently. Settings read until then stay in
// `out`. https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNECT-OPTIONS
bool parse_options(Bytes options, std::vector<std::pair<std::string, std::string>>& out);

}  // namespace howdah::pgwire
