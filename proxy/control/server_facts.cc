#include "proxy/control/bootstrap_plan.h"

namespace howdah::control {

namespace {

constexpr int kOldestVersion = 140000;

Error disagree(const std::string& what, const std::string& first_shard, const std::string& first,
               const std::string& shard, const std::string& value) {
  return make_error(
      ErrorCode::kConfig,
      "shards disagree on " + what + ": " + first_shard + " has " + first + ", " + shard + " has " + value,
      "shards must answer alike: make their databases with the same settings");
}

}  // namespace

Result<void> check_server(const std::string& shard, const ServerFacts& facts, bool sharded) {
  if (facts.version < kOldestVersion) {
    return make_error(ErrorCode::kConfig, "shard " + shard + " runs PostgreSQL " +
                                              std::to_string(facts.version / 10000) +
                                              ", 14 is the oldest supported");
  }
  if (!sharded) return {};
  if (facts.max_prepared_transactions < facts.max_connections) {
    return make_error(
        ErrorCode::kConfig,
        "shard " + shard +
            " has max_prepared_transactions = " + std::to_string(facts.max_prepared_transactions) +
            ", below its max_connections = " + std::to_string(facts.max_connections),
        "transactions over several shards are prepared on each: set max_prepared_transactions to at least "
        "max_connections on every shard and its replicas, and restart them");
  }
  if (!facts.sees_all_sessions) {
    return make_error(ErrorCode::kConfig,
                      "shard " + shard + ": the control account cannot see other sessions",
                      "GRANT pg_monitor TO the control account");
  }
  return {};
}

Result<void> check_agreement(const std::string& first_shard, const ServerFacts& first,
                             const std::string& shard, const ServerFacts& facts) {
  auto major = [](int version) { return std::to_string(version / 10000); };
  const struct {
    const char* what;
    std::string one;
    std::string other;
  } checks[] = {{"PostgreSQL's major version", major(first.version), major(facts.version)},
                {"the encoding", first.encoding, facts.encoding},
                {"LC_COLLATE", first.collate, facts.collate},
                {"LC_CTYPE", first.ctype, facts.ctype},
                {"TimeZone", first.timezone, facts.timezone}};
  for (const auto& check : checks) {
    if (check.one != check.other) return disagree(check.what, first_shard, check.one, shard, check.other);
  }
  return {};
}

}  // namespace howdah::control
