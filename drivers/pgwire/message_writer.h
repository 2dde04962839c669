// Writes one message at the end of a buffer and fills in its length when it goes out of scope.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"

namespace howdah::pgwire {

// A protocol string ends at its first zero byte, so bytes behind one are not written: no value can end its
// field early and be read as another field.
inline void append_cstring(std::string& out, Bytes value) {
  const auto* zero =
      static_cast<const char*>(value.empty() ? nullptr : std::memchr(value.data(), 0, value.size()));
  out.append(zero == nullptr ? value : value.substr(0, static_cast<std::size_t>(zero - value.data())));
  out.push_back('\0');
}

// Lives for one append_x function. The buffer must outlive it, and the message must stay under 2 GiB.
class MessageWriter {
 public:
  MessageWriter(std::string& out, char type) : out_(out), start_(out.size()) {
    const char header[5] = {type, 0, 0, 0, 0};
    out_.append(header, sizeof header);
  }
  ~MessageWriter() {
    store_be(out_.data() + start_ + 1, static_cast<std::uint32_t>(out_.size() - start_ - 1));
  }
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  void byte(char value) { out_.push_back(value); }
  void int16(std::int16_t value) { append_be(out_, value); }
  void uint16(std::size_t value) { append_be(out_, static_cast<std::uint16_t>(value)); }
  void int32(std::int32_t value) { append_be(out_, value); }
  void uint32(std::uint32_t value) { append_be(out_, value); }
  void cstring(Bytes value) { append_cstring(out_, value); }
  void raw(Bytes value) { out_.append(value); }
  // Length and bytes; -1 for NULL.
  void value(const std::optional<Bytes>& value) {
    int32(value ? static_cast<std::int32_t>(value->size()) : -1);
    if (value) raw(*value);
  }
  // Count and values, as in params.h.
  void values(std::span<const std::optional<Bytes>> values) {
    uint16(values.size());
    for (const auto& each : values) value(each);
  }

 private:
  std::string& out_;
  const std::size_t start_;
};

// A message without a body.
inline void append_empty(std::string& out, char type) {
  const char message[5] = {type, 0, 0, 0, 4};
  out.append(message, sizeof message);
}

}  // namespace howdah::pgwire
