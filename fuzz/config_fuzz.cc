// Any text is a sound configuration or a list of faults; the loader neither crashes nor throws.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto loaded = howdah::config::load_text(text, "/nowhere/fuzz.yaml");
  if ((loaded.config == nullptr) == loaded.faults.empty()) std::abort();
  return 0;
}
