// Time as the machines see it: handed in by the shell, never read here.
#pragma once

#include <chrono>

namespace howdah {

using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace howdah
