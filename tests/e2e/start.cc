#include "tests/e2e/start.h"

#include <stdexcept>

#include "tests/support/wait.h"

namespace howdah::e2e {

std::unique_ptr<testing::HowdahProcess> start(testing::PgCluster& cluster, testing::HowdahOptions options) {
  options.wait_ready = false;
  auto howdah = std::make_unique<testing::HowdahProcess>(cluster, options);
  try {
    await_serving(*howdah);
  } catch (...) {
    howdah->kill9();
    throw;
  }
  return howdah;
}

void await_serving(testing::HowdahProcess& howdah) {
  std::string last;
  const bool served = testing::wait_until(
      [&] {
        if (!howdah.running()) return true;
        testing::PgConn conn(howdah.url());
        if (!conn.ok()) last = conn.error();
        return conn.ok() && conn.query("SELECT 1").ok();
      },
      std::chrono::seconds(30));
  if (!served || !howdah.running())
    throw std::runtime_error("howdah does not serve: " + last + "; its log:\n" + howdah.log());
}

}  // namespace howdah::e2e
