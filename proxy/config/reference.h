// The configuration's manual, written from the same tables that files are read with.
#pragma once

#include <string>

namespace howdah::config {

// docs/CONFIG.md, all of it: `howdah --print-config-reference` prints it, and a test compares the two.
std::string config_reference_markdown();

}  // namespace howdah::config
