// The logger of everything on the control thread.
#pragma once

#include <spdlog/spdlog.h>

namespace howdah::control {

// Named "control"; made at first use with the default logger's sinks.
spdlog::logger& control_log();

}  // namespace howdah::control
