#include "proxy/access/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace howdah::access {

namespace {
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
  return text;
}

IpAddress address_from_bytes(const void* bytes, std::size_t size) {
  const auto* from = static_cast<const std::uint8_t*>(bytes);
  IpAddress address;
  address.v6 = size == 16;
  if (address.v6 && std::equal(kMapped.begin(), kMapped.end(), from)) {
    address.v6 = false;
    from += kMapped.size();
  }
  std::memcpy(address.bytes.data(), from, address.size());
  return address;
}

std::optional<IpAddress> parse_address(std::string_view text) {
  const std::string copy(text);
  std::uint8_t bytes[16];
  IpAddress address;
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) {
    std::memcpy(address.bytes.data(), bytes, 4);
    return address;
  }
  if (inet_pton(AF_INET6, copy.c_str(), bytes) != 1) return std::nullopt;
  address.v6 = true;
  std::memcpy(address.bytes.data(), bytes, 16);
  return address;
}

IpAddress prefix_mask(bool v6, unsigned length) {
  IpAddress mask;
  mask.v6 = v6;
  for (unsigned i = 0; i < length; ++i) mask.bytes[i / 8] |= static_cast<std::uint8_t>(0x80 >> (i % 8));
  return mask;
}

bool in_range(const IpAddress& address, const IpAddress& range, const IpAddress& mask) {
  if (address.v6 != range.v6 || address.v6 != mask.v6) return false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if (((address.bytes[i] ^ range.bytes[i]) & mask.bytes[i]) != 0) return false;
  }
  return true;
}

}  // namespace howdah::access
