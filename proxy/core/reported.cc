#include "proxy/core/reported.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"

namespace howdah::proxy {

ReportedPtr ReportedTable::intern(const ReportedParams& params) {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (*known_[i] != params) continue;
    std::rotate(known_.begin(), known_.begin() + static_cast<std::ptrdiff_t>(i), known_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return known_.front();
  }
  if (known_.size() >= kMost) known_.pop_back();
  known_.insert(known_.begin(), std::make_shared<const ReportedParams>(params));
  return known_.front();
}

void append_changes(std::string& out, const ReportedParams& told, const ReportedParams& now) {
  for (const auto& [name, value] : now) {
    const auto before = told.find(name);
    if ((before != told.end() && before->second == value) || name == "in_hot_standby") continue;
    pgwire::append_parameter_status(out, name, value);
  }
}

}  // namespace howdah::proxy
