#pragma once

namespace howdah::admin {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace howdah::admin
