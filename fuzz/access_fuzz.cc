// Any text is rules or faults; a rule that was read judges every client without crashing. The first byte chooses the file.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/access/hba.h"
#include "proxy/access/ident_map.h"
#include "proxy/access/userlist.h"

namespace {

using namespace howdah::access;

void judge(const std::string& text) {
  const FileReader names = [](const std::string&) { return std::optional<std::string>("app, @again\n\"x\""); };
  const auto file = parse_hba(text, "/etc/hba.conf", names);
  if (file.rules.empty() && file.faults.empty()) std::abort();
  const std::vector<Interface> own = {{parse_address("10.0.0.1").value(), prefix_mask(false, 8)}};
  for (const char* address : {"", "10.0.0.1", "::1"}) {
    HbaClient client{.user = "app", .database = "app", .local = *address == '\0', .tls = *address == ':'};
    if (!client.local) client.address = parse_address(address).value();
    if (refusal(find_rule(file.rules, client, own), client).message.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const FileReader none = [](const std::string&) { return std::nullopt; };
  switch (data[0] % 3) {
    case 0: judge(text); break;
    case 1: may_be(parse_ident(text, "ident.conf", none).entries, "map", "system", "role"); break;
    default: parse_userlist(text, "users.txt"); break;
  }
  return 0;
}
