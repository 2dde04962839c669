// TCP ports that no parallel test takes.
#pragma once

#include <cstdint>

namespace howdah::testing {

// A port on 127.0.0.1 that nothing listens on, below the kernel's ephemeral range (so that no outgoing
// connection takes it) and locked for this process until it ends (so that no other test takes it).
std::uint16_t free_port();

}  // namespace howdah::testing
