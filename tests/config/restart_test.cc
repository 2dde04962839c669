#include "proxy/config/restart.h"

#include <gtest/gtest.h>

#include "tests/config/sample.h"

namespace howdah::config {
namespace {

std::vector<std::string> restart_keys(const std::string& changed) {
  const auto old = load_text(kSample, "t.yaml").config;
  const auto now = load_text(changed, "t.yaml").config;
  std::vector<std::string> which;
  EXPECT_TRUE(old && now) << changed;
  if (old && now) EXPECT_EQ(needs_restart(*old, *now, which), !which.empty());
  return which;
}

TEST(NeedsRestart, NamesWhatAReloadCannotChange) {
  using Keys = std::vector<std::string>;
  EXPECT_EQ(restart_keys(kSample), Keys{});
  EXPECT_EQ(restart_keys(sample_with("6432", "6433")), Keys{"listen.port"});
  EXPECT_EQ(restart_keys("workers: 2\n" + std::string(kSample)), Keys{"workers"});
  EXPECT_EQ(restart_keys(sample_with("4096", "8192")), Keys{"databases.app.sharding.buckets"});
  EXPECT_EQ(restart_keys(sample_with("5511", "5512")), Keys{"databases.app.shards"});
  EXPECT_EQ(restart_keys(sample_with("  app:\n", "  other:\n")), Keys{});
  EXPECT_EQ(restart_keys(sample_with("user: howdah", "user: other")), Keys{"databases.app.control.user"});
}

TEST(NeedsRestart, LetsTheRestBeReloaded) {
  EXPECT_TRUE(restart_keys("pool: { size: 3, idle_timeout: 5s }\n" + std::string(kSample)).empty());
  EXPECT_TRUE(
      restart_keys("limits: { clients: 5 }\nlogging: { level: debug }\n" + std::string(kSample)).empty());
  EXPECT_TRUE(restart_keys(sample_with("password: secret", "password: other")).empty());
  EXPECT_TRUE(restart_keys(sample_with("hash: id", "hash: uid")).empty());
}

}  // namespace
}  // namespace howdah::config
