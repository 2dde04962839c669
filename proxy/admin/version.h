#pragma once

namespace howdah::admin {

// As CMake's project() has it.
extern const char* const kVersion;

}  // namespace howdah::admin
