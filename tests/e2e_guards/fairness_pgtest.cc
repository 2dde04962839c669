// Many clients share a few server connections: all are served, none much later than the others. HOWDAH_FAIR_CLIENTS: how many;
// HOWDAH_STRICT: figures are judged, too.
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/e2e_guards/load.h"
#include "tests/e2e_limits/limits_fixture.h"
#include "tests/support/process.h"

namespace howdah::e2e_limits {
namespace {

using e2e_guards::Load;
using e2e_guards::LoadResult;

int fair_clients() {
  const char* given = std::getenv("HOWDAH_FAIR_CLIENTS");
  return given == nullptr ? 300 : std::atoi(given);
}

class Fairness : public Limits {};

TEST_F(Fairness, ManyClientsWaitAboutAsLongAsEachOther) {
  start({.pool = "{ mode: transaction, size: 8 }", .limits = "{ clients: 12000 }"});
  const bool strict = std::getenv("HOWDAH_STRICT") != nullptr;
  const int clients = fair_clients();
  Load load(howdah_->url(), clients);
  LoadResult result = load.closed_loop("SELECT pg_sleep(0.001)", clients > 1'000 ? seconds(60) : seconds(4));
  std::printf("%d clients: %s\n", clients, result.to_string().c_str());
  EXPECT_TRUE(result.errors.empty()) << "no failed statement: " << result.to_string();
  const auto [least, most] = std::minmax_element(result.per_client.begin(), result.per_client.end());
  EXPECT_LE(*most, 2 * *least + 3) << "who is first in the queue is served first";
  if (strict) EXPECT_LE(result.latency(0.99), 1.5 * result.latency(0.5));
}

// A process without the right to raise its hard limit, which is 3000 descriptors.
int start_limited(const std::string& config, std::string& log) {
  testing::TempDir folder;
  testing::Process::Options options;
  options.log_file = folder.path() + "/log";
  options.argv = {"setpriv", "--bounding-set=-all", "--inh-caps=-all", "sh", "-c",
                  "ulimit -Sn 256; ulimit -Hn 3000; exec " + testing::howdah_binary() + " --config " + config};
  testing::Process process(options);
  int status = -1;
  testing::wait_until([&] {
    log = testing::read_file_or_empty(options.log_file);
    return log.find("listening address") != std::string::npos || !process.running();
  });
  if (process.running()) process.signal(SIGTERM);
  status = process.wait();
  return status;
}

TEST_F(Fairness, ClientsNeedDescriptors) {
  start({.limits = "{ clients: 900 }"});
  rlimit limit{};
  ASSERT_EQ(prlimit(howdah_->pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
  EXPECT_GE(limit.rlim_cur, 2'900u) << "the soft limit was raised";
  const std::string fits = howdah_->config_path();
  ASSERT_EQ(howdah_->stop(), 0);  // its port is free
  std::string log;
  EXPECT_EQ(start_limited(fits, log), 0) << log;
  EXPECT_NE(log.find("listening address"), std::string::npos) << "the soft limit can be raised: " << log;
  std::string yaml = testing::read_file_or_empty(fits);
  const auto at = yaml.find("clients: 900");
  ASSERT_NE(at, std::string::npos);
  howdah_->rewrite_config(yaml.replace(at, 12, "clients: 1500"));
  EXPECT_EQ(start_limited(fits, log), 1) << log;
  EXPECT_NE(log.find("limits.clients is 1500, more than this process may have descriptors for"), std::string::npos) << log;
}

}  // namespace
}  // namespace howdah::e2e_limits
