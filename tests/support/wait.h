// Waiting for a condition of another process, with a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>

namespace howdah::testing {

// Asks `condition` every few milliseconds (at least once) until it holds or `timeout` has passed; true when
// it held.
bool wait_until(const std::function<bool()>& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(10));

// As wait_until, but throws std::runtime_error("timed out waiting for WHAT").
void await(std::string_view what, const std::function<bool()>& condition,
           std::chrono::milliseconds timeout = std::chrono::seconds(30));

}  // namespace howdah::testing
