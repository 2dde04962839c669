#include "tests/e2e_faults/world.h"

#include <stdexcept>

#include "tests/support/wait.h"

namespace howdah::faults {

using testing::PgConn;

World::World(const testing::PgCluster::Options& servers, testing::HowdahOptions proxy)
    : cluster_(servers), options_(std::move(proxy)) {
  start_proxy();
}

std::string World::url() const {
  const std::lock_guard lock(mutex_);
  return url_;
}

void World::start_proxy() {
  proxy_ = std::make_unique<testing::HowdahProcess>(cluster_, options_);
  const std::lock_guard lock(mutex_);
  url_ = proxy_->url();
}

testing::Answer World::must(const std::string& sql) {
  return proxy_->connect().must(sql);
}

std::vector<long> World::keys_on(int shard, int count) {
  const auto answer = cluster_.primary().run_sql(
      "SELECT i FROM generate_series(1, 100000) i JOIN howdah.map ON bucket = (hashint8extended(i, 0) & 4095)"
      " WHERE shard = 's" +
      std::to_string(shard) + "' ORDER BY i LIMIT " + std::to_string(count));
  std::vector<long> keys;
  for (const auto& row : answer.rows) keys.push_back(std::stol(*row[0]));
  if (keys.size() != static_cast<std::size_t>(count))
    throw std::runtime_error("too few keys: " + answer.message);
  return keys;
}

std::vector<std::string> World::on_each(const std::string& sql) {
  std::vector<std::string> answers;
  for (int i = 0; i < cluster_.shards(); ++i)
    answers.push_back(cluster_.primary(i).superuser().must(sql).text());
  return answers;
}

long World::sum(const std::string& sql) {
  long total = 0;
  for (const auto& answer : on_each(sql)) total += answer.empty() ? 0 : std::stol(answer);
  return total;
}

bool World::nothing_in_doubt() {
  return testing::wait_until([this] { return sum("SELECT count(*) FROM pg_prepared_xacts") == 0; },
                             std::chrono::seconds(20));
}

bool World::nothing_open() {
  return testing::wait_until(
      [this] {
        return sum("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND"
                   " (state LIKE 'idle in transaction%' OR state = 'active')") == 0;
      },
      std::chrono::seconds(10));
}

}  // namespace howdah::faults
