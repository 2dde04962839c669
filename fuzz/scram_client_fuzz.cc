// A server's SCRAM messages against our client: line 1 is the server's first message, line 2 its last.
// Password and nonce are those of RFC 7677, so that its exchange succeeds.
#include "drivers/pgwire/scram.h"
#include "fuzz/support.h"

namespace {

using namespace howdah;
using namespace howdah::pgwire;

const ScramKeys& rfc_keys() {
  static const ScramKeys keys = ScramKeys::derive("pencil", *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
  return keys;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes rest = fuzz::as_bytes(data, size);
  const Bytes server_first = fuzz::take_line(rest), server_final = fuzz::take_line(rest);
  ScramClient client({.user = "user",
                      .password = "pencil",
                      .nonce = "rOprNGfwEbeRWgbNEkqO",
                      .max_iterations = 4096,  // more would only be slow
                      .keys = rfc_keys()});
  client.first();
  if (!client.on_continue(server_first)) return 0;
  fuzz::require(client.keys().iterations <= 4096, "the bound on iterations holds");
  if (client.on_final(server_final)) {
    fuzz::require(!client.on_final(server_final), "a signature is good once");
  }
  return 0;
}
