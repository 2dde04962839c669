// The two array shapes that Bind, FunctionCall and DataRow are made of, as views without allocation.
//
//   formats := count:int16 code:int16[count]            none: all text; one: for all; else one for each
//   values  := count:int16 (length:int32 byte[length])*  length -1 is NULL
//
// https://www.postgresql.org/docs/15/protocol-message-formats.html
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "drivers/pgwire/types.h"

namespace howdah::pgwire {

// Format codes as they stand in the message.
struct FormatCodes {
  std::uint16_t count = 0;
  Bytes raw;  // 2 * count bytes

  // PostgreSQL's rule; text where no code is given. Codes other than 0 and 1 are passed on as they are.
  std::int16_t of(std::size_t i) const {
    if (count == 0) return kTextFormat;
    const std::size_t at = count == 1 ? 0 : i;
    return at < count ? load_be<std::int16_t>(raw.data() + 2 * at) : kTextFormat;
  }
  bool any_binary() const {
    for (std::size_t i = 0; i < count; ++i) {
      if (load_be<std::int16_t>(raw.data() + 2 * i) != kTextFormat) return true;
    }
    return false;
  }
  // Whether the rule can be applied to this many values. PostgreSQL answers 08P01 when not.
  bool fits(std::size_t values) const { return count <= 1 || count == values; }

  bool read(ByteReader& reader) {
    return reader.read(count) && reader.read_bytes(std::size_t{2} * count, raw);
  }
};

// One value. `bytes` is empty when null.
struct Value {
  bool null = true;
  Bytes bytes;
};

// Length-prefixed values, known to be well-formed once read() said so.
struct Values {
  std::uint16_t count = 0;
  Bytes raw;  // from the first length on

  class Iterator {
   public:
    explicit Iterator(const char* at) : at_(at) {}
    Value operator*() const {
      const auto length = load_be<std::int32_t>(at_);
      return length < 0 ? Value{} : Value{false, Bytes(at_ + 4, static_cast<std::size_t>(length))};
    }
    Iterator& operator++() {
      const auto length = load_be<std::int32_t>(at_);
      at_ += 4 + (length < 0 ? 0 : length);
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const char* at_;
  };

  Iterator begin() const { return Iterator(raw.data()); }
  Iterator end() const { return Iterator(raw.data() + raw.size()); }

  // The value at a position, by walking to it; null beyond the end.
  Value at(std::size_t i) const {
    for (const Value value : *this) {
      if (i-- == 0) return value;
    }
    return {};
  }

  // Reads count and values and checks every length. False for a length below -1 or beyond the bytes.
  bool read(ByteReader& reader) {
    if (!reader.read(count)) return false;
    const Bytes start = reader.rest();
    for (std::uint16_t i = 0; i < count; ++i) {
      std::int32_t length = 0;
      Bytes skipped;
      if (!reader.read(length) || length < -1) return false;
      if (length > 0 && !reader.read_bytes(static_cast<std::size_t>(length), skipped)) return false;
    }
    raw = start.substr(0, start.size() - reader.rest().size());
    return true;
  }
};

}  // namespace howdah::pgwire
