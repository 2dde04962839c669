#include "proxy/core/statement_scope.h"

#include <algorithm>
#include <array>
#include <atomic>

namespace howdah::proxy {

namespace {

// What drivers and applications set most, each to a value of its own. Others only cost sharing.
constexpr std::array<std::string_view, 12> kHarmless = {
    "application_name", "client_min_messages", "default_transaction_deferrable", "default_transaction_isolation",
    "default_transaction_read_only", "idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout",
    "statement_timeout", "synchronous_commit", "tcp_user_timeout", "work_mem",
};

}  // namespace

bool changes_parse(std::string_view setting) {
  if (setting.find('.') != std::string_view::npos || setting.starts_with("log_")) return false;
  return std::find(kHarmless.begin(), kHarmless.end(), setting) == kHarmless.end();
}

std::string parse_key(const Settings& settings) {
  std::string key = "statements";
  for (const auto& entry : settings.entries()) {
    if (changes_parse(entry.name)) key.append(1, '\0').append(entry.name).append(1, '\1').append(entry.statement);
  }
  return key;
}

std::uint64_t new_local_scope() {
  static std::atomic<std::uint64_t> last{0};
  return (last.fetch_add(1, std::memory_order_relaxed) + 1) | std::uint64_t{1} << 63;
}

}  // namespace howdah::proxy
