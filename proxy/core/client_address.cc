// Addresses as the kernel knows them, for access rules.
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proxy/core/access_control.h"

namespace howdah::proxy {

namespace {

access::IpAddress from(const sockaddr* address) {
  if (address->sa_family == AF_INET6) return access::address_from_bytes(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  return access::address_from_bytes(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
}

}  // namespace

access::IpAddress address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return from(reinterpret_cast<const sockaddr*>(&storage));
}

std::vector<access::Interface> own_interfaces() {
  std::vector<access::Interface> found;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr) continue;
    if (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6) continue;
    // Some systems leave the mask's family out.
    sockaddr_storage mask{};
    const bool v6 = one->ifa_addr->sa_family == AF_INET6;
    std::copy_n(reinterpret_cast<const char*>(one->ifa_netmask), v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in), reinterpret_cast<char*>(&mask));
    mask.ss_family = one->ifa_addr->sa_family;
    found.push_back({from(one->ifa_addr), from(reinterpret_cast<const sockaddr*>(&mask))});
  }
  freeifaddrs(all);
  return found;
}

}  // namespace howdah::proxy
