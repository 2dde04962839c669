// What keeps a server connection with its client after a transaction: session state that no other connection has.
#pragma once

#include <cstdint>
#include <string>

#include "sharding/sql/plan.h"

namespace howdah::proxy {

// A set of reasons.
class Pins {
 public:
  using Reason = sharding::sql::PinReason;

  constexpr Pins() = default;
  constexpr Pins(Reason reason) : bits_(bit(reason)) {}  // NOLINT: a reason is the set of itself

  bool any() const { return bits_ != 0; }
  bool has(Reason reason) const { return (bits_ & bit(reason)) != 0; }
  void add(Pins more) { bits_ = static_cast<std::uint16_t>(bits_ | more.bits_); }
  void remove(Pins less) { bits_ = static_cast<std::uint16_t>(bits_ & ~less.bits_); }
  void set(Reason reason, bool on) { on ? add(reason) : remove(reason); }
  bool operator==(const Pins&) const = default;

  // For SHOW CLIENTS: "temporary table, advisory lock"; empty when there is none.
  std::string text() const;

 private:
  static constexpr std::uint16_t bit(Reason reason) {
    return reason == Reason::kNone ? std::uint16_t{0} : static_cast<std::uint16_t>(1u << static_cast<unsigned>(reason));
  }
  std::uint16_t bits_ = 0;
};

// "a temporary table", ...: in messages about it.
const char* describe(sharding::sql::PinReason reason);

}  // namespace howdah::proxy
