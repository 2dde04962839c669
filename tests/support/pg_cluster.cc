#include "tests/support/pg_cluster.h"

#include "tests/support/pg_template.h"
#include "tests/support/wait.h"

namespace howdah::testing {

PgCluster::PgCluster(const Options& options) : options_(options) {
  prepare_pg_templates(options.shards + (options.twin ? 1 : 0));
  for (int i = 0; i < options.shards; ++i) {
    const std::string name = "s" + std::to_string(i);
    auto& shard = shards_.emplace_back();
    PgServer::Options server{.name = name, .template_index = i, .settings = options.settings, .start = false};
    shard.primary = std::make_unique<PgServer>(server);
    shard.primary->launch();
    for (int j = 0; j < options.replicas; ++j) {
      server.name = name + "r" + std::to_string(j);
      server.standby_of = shard.primary.get();
      shard.replicas.push_back(std::make_unique<PgServer>(server));
      shard.replicas.back()->launch();
    }
  }
  if (options.twin) {
    twin_ = std::make_unique<PgServer>(PgServer::Options{
        .name = "twin", .template_index = options.shards, .settings = options.settings, .start = false});
    twin_->launch();
  }
  for (PgServer* server : servers()) server->wait_ready();
  for (int i = 0; i < options.shards; ++i) wait_streaming(i, options.replicas);
}

std::vector<PgServer*> PgCluster::servers() {
  std::vector<PgServer*> all;
  for (auto& shard : shards_) {
    all.push_back(shard.primary.get());
    for (auto& replica : shard.replicas) all.push_back(replica.get());
  }
  if (twin_) all.push_back(twin_.get());
  return all;
}

void PgCluster::run_everywhere(const std::string& sql, const std::string& database) {
  for (auto& shard : shards_) shard.primary->run_sql(sql, database);
  if (twin_) twin_->run_sql(sql, database);
}

void PgCluster::wait_replayed() {
  for (auto& shard : shards_) {
    if (shard.replicas.empty()) continue;
    auto conn = shard.primary->superuser();
    // A write of our own that is flushed: WAL of asynchronous commits before it is then on its way too.
    conn.must("SELECT pg_logical_emit_message(true, 'howdah.test', 'sync')");
    const std::string target = conn.scalar("SELECT pg_current_wal_insert_lsn()");
    await("replicas to replay " + target, [&] {
      return conn.scalar(
                 "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND "
                 "replay_lsn < '" +
                 target + "'") == "0";
    });
  }
}

void PgCluster::wait_streaming(int shard, int count) {
  if (count == 0) return;
  auto conn = primary(shard).superuser();
  await("replicas to stream", [&] {
    return conn.scalar("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") ==
           std::to_string(count);
  });
}

}  // namespace howdah::testing
