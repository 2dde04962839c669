// A connection's first packets, and the settings inside. What is read is written back as the same bytes.
#include "drivers/pgwire/startup.h"

#include "fuzz/support.h"

namespace {

using namespace howdah;
using namespace howdah::pgwire;

std::string write(const StartupRequest& request) {
  std::string out;
  switch (request.kind) {
    case StartupRequest::kSsl:
      append_ssl_request(out);
      break;
    case StartupRequest::kGss:
      append_gss_request(out);
      break;
    case StartupRequest::kCancel:
      append_cancel_request(out, request.cancel_pid, request.cancel_key);
      break;
    case StartupRequest::kStartup:
      if (request.major == 3) append_startup(out, request.minor, request.params);
      break;
  }
  return out;
}

void try_options(const StartupRequest& request) {
  const auto options = request.param("options");
  std::vector<std::pair<std::string, std::string>> settings;
  if (!options || !parse_options(*options, settings)) return;
  for (const auto& [name, value] : settings) fuzz::require(!name.empty(), "every setting has a name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in = fuzz::as_bytes(data, size);
  StartupRequest request;
  for (std::size_t consumed = 0; next_startup(in, request, consumed) == FrameStatus::kOk;) {
    const Bytes packet = in.substr(0, consumed);
    const std::string written = write(request);
    fuzz::require(written.empty() || written == packet, "what is read is written as the same bytes");
    try_options(request);
    in.remove_prefix(consumed);
    StartupRequest ignored;
    fuzz::require(next_startup(packet.substr(0, consumed - 1), ignored, consumed) == FrameStatus::kNeedMore,
                  "one byte less is not a packet");
  }
  return 0;
}
