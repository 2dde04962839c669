#include "proxy/control/control_log.h"

namespace howdah::control {

spdlog::logger& control_log() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::get("control");
    if (made) return made;
    made = spdlog::default_logger()->clone("control");
    spdlog::register_logger(made);  // so that a change of level reaches it
    return made;
  }();
  return *logger;
}

}  // namespace howdah::control
