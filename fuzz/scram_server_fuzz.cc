// A client's SCRAM messages against our server: line 1 is the stored verifier, line 2 the client's first
// message, line 3 its last. The server's nonce is that of RFC 7677, so that its exchange succeeds.
#include "drivers/pgwire/scram.h"

#include "drivers/pgwire/saslprep.h"
#include "fuzz/support.h"

namespace {

using namespace howdah;
using namespace howdah::pgwire;

void exchange(const ScramVerifier& verifier, Bytes first, Bytes final, bool plus) {
  ScramServer server({.verifier = verifier,
                      .nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                      .plus_offered = plus,
                      .plus_selected = plus,
                      .binding_data = "certificate"});
  if (!server.on_first(first)) return;
  if (!server.on_final(final)) return;
  fuzz::require(ScramVerifier::from_keys(server.client_keys()).to_string() == verifier.to_string(),
                "who logs in has shown the key that was stored");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes rest = fuzz::as_bytes(data, size);
  const Bytes stored = fuzz::take_line(rest), first = fuzz::take_line(rest), final = fuzz::take_line(rest);
  saslprep(stored);
  const auto parsed = ScramVerifier::parse(stored);
  if (parsed)
    fuzz::require(ScramVerifier::parse(parsed->to_string()).has_value(), "what is written can be read");
  const ScramVerifier verifier = parsed ? *parsed : ScramVerifier::mock(stored, "secret");
  exchange(verifier, first, final, false);
  exchange(verifier, first, final, true);
  return 0;
}
