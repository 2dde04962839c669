#include "proxy/control/control_log.h"

namespace howdah::control {

spdlog::logger& control_log() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::get("control");
    return made ? made : spdlog::default_logger()->clone("control");
  }();
  return *logger;
}

}  // namespace howdah::control
