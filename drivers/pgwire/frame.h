// Cuts a byte stream into typed messages.
//
//   message := type:byte1 length:int32 body        length counts itself and the body, not the type
//
// Startup packets have no type byte: see startup.h.
// https://www.postgresql.org/docs/15/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace howdah::pgwire {

enum class FrameStatus : std::uint8_t {
  kOk,         // the result is complete
  kNeedMore,   // what is there is right so far; nothing was written to the result
  kMalformed,  // no further bytes can make it right: the stream has lost its boundaries
};

// The type byte and the length field of a message.
inline constexpr std::size_t kHeaderSize = 5;

struct Header {
  char type = 0;
  std::uint32_t total = 0;  // bytes of the whole message, type byte and length field included
};

// Views into the bytes given to next_frame.
struct Frame {
  char type = 0;
  Bytes body;   // after the length field
  Bytes whole;  // from the type byte on; whole.size() bytes are consumed
};

// Reads a message's header; the first 5 bytes are enough. For relaying a body that is not complete yet.
// `max_length` bounds the length field and is at most 0x7fffffff.
inline FrameStatus peek_header(Bytes in, std::uint32_t max_length, Header& out) {
  if (in.size() < kHeaderSize) return FrameStatus::kNeedMore;
  const auto length = load_be<std::uint32_t>(in.data() + 1);
  if (length < 4 || length > max_length || length > 0x7fffffffU) return FrameStatus::kMalformed;
  out = {in.front(), length + 1};
  return FrameStatus::kOk;
}

// Reads one complete message from the front of `in`. A length out of bounds is seen as soon as the header is
// there.
inline FrameStatus next_frame(Bytes in, std::uint32_t max_length, Frame& out) {
  Header header;
  const FrameStatus status = peek_header(in, max_length, header);
  if (status != FrameStatus::kOk) return status;
  if (in.size() < header.total) return FrameStatus::kNeedMore;
  out = {header.type, in.substr(kHeaderSize, header.total - kHeaderSize), in.substr(0, header.total)};
  return FrameStatus::kOk;
}

}  // namespace howdah::pgwire
