// What a reload can change, and what needs a new process.
#pragma once

#include <string>
#include <vector>

#include "proxy/config/config.h"

namespace howdah::config {

// Adds the path of every key that differs and takes effect only when Howdah starts ("listen.port") to
// `which`; true when there is one.
bool needs_restart(const Config& old, const Config& now, std::vector<std::string>& which);

}  // namespace howdah::config
