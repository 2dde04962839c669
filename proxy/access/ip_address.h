// Addresses of clients and the ranges that access rules name.
// https://www.postgresql.org/docs/15/auth-pg-hba-conf.html
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace howdah::access {

// An IPv4 or IPv6 address, or a mask over one. IPv4 uses the first four bytes. An IPv4 address mapped into IPv6 is
// IPv4: a socket that listens for both shows its clients so, and PostgreSQL's rules mean the plain form.
struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};

  std::size_t size() const { return v6 ? 16 : 4; }
  bool operator==(const IpAddress&) const = default;
  // "10.0.0.1", "2001:db8::1".
  std::string to_string() const;
};

// A numeric address; nothing for names, zones ("fe80::1%eth0") and anything else.
std::optional<IpAddress> parse_address(std::string_view text);

// From a sockaddr_in's or sockaddr_in6's address bytes, in network order; `size` is 4 or 16.
IpAddress address_from_bytes(const void* bytes, std::size_t size);

// The first `length` bits set. REQUIRES: length <= 32 or 128.
IpAddress prefix_mask(bool v6, unsigned length);

// Whether both addresses are of one family and equal where `mask` has bits.
bool in_range(const IpAddress& address, const IpAddress& range, const IpAddress& mask);

// One of this machine's own addresses, for `samehost` and `samenet`.
struct Interface {
  IpAddress address;
  IpAddress mask;
};

}  // namespace howdah::access
