// SHOW TRANSACTIONS: what is prepared on the shards and waits for its outcome, as the servers say now.
// https://www.postgresql.org/docs/15/view-pg-prepared-xacts.html
#include <map>
#include <memory>

#include "drivers/pq/connection.h"
#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"
#include "proxy/control/control_params.h"
#include "proxy/control/gid.h"

namespace howdah::admin {

namespace {

constexpr milliseconds kPatience{3'000};  // with each server

constexpr const char* kPreparedSql =
    "SELECT gid, owner, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint FROM pg_prepared_xacts "
    "WHERE database = current_database() AND starts_with(gid, $1) ORDER BY prepared, gid";
constexpr const char* kDecisionSql =
    "SELECT outcome, array_to_string(participants, ',') FROM howdah.decisions WHERE token_hash = decode($1, 'hex')";

struct Decision {
  std::string outcome;       // commit, abort, undecided; unknown when its shard did not say
  std::string participants;  // as the decision names them
};

// The primaries of one database, each connected to when first asked.
class Shards {
 public:
  explicit Shards(const config::Database& database) : database_(database) {}

  // Null with the reason in `error`.
  pq::Connection* open(const std::string& name, std::string& error) {
    auto& entry = open_[name];
    if (entry.tried) {
      error = entry.error;
      return entry.connection.get();
    }
    entry.tried = true;
    for (const auto& shard : database_.shards) {
      if (shard.name != name) continue;
      auto answer = pq::Connection::connect(control::control_params(database_, shard.primary, {}), pq::within(kPatience));
      if (answer) {
        entry.connection = std::move(*answer);
      } else {
        entry.error = answer.error().message;
      }
    }
    if (entry.connection == nullptr && entry.error.empty()) entry.error = "no such shard";
    error = entry.error;
    return entry.connection.get();
  }

  Decision decision(const control::Gid& gid) {
    std::string error;
    pq::Connection* connection = open(gid.commit_point, error);
    if (connection == nullptr) return {"unknown", ""};
    pq::Params token;
    token.emplace_back(gid.token_hash);
    const auto rows = connection->exec(kDecisionSql, token, pq::within(kPatience));
    if (!rows) return {"unknown", ""};
    if (rows->rows() == 0) return {"undecided", ""};
    return {rows->text(0, 0), rows->text(0, 1)};
  }

 private:
  struct Entry {
    bool tried = false;
    std::unique_ptr<pq::Connection> connection;
    std::string error;
  };
  const config::Database& database_;
  std::map<std::string, Entry> open_;
};

void add_prepared(const std::string& cluster, const config::Database& database, Table& table) {
  Shards shards(database);
  const auto add = [&](const std::string& shard, const std::string& gid, const std::string& commit_point, const std::string& owner,
                       const std::string& age, const Decision& decision, const std::string& error) {
    Row row;
    row << database.name << shard << gid << commit_point << owner << age << decision.outcome << decision.participants << error;
    table.rows.push_back(row.take());
  };
  for (const auto& shard : database.shards) {
    std::string error;
    pq::Connection* connection = shards.open(shard.name, error);
    if (connection == nullptr) {
      add(shard.name, "", "", "", "", {}, error);
      continue;
    }
    pq::Params prefix;
    prefix.emplace_back(control::gid_prefix(cluster));
    const auto rows = connection->exec(kPreparedSql, prefix, pq::within(kPatience));
    if (!rows) {
      add(shard.name, "", "", "", "", {}, rows.error().message);
      continue;
    }
    for (int i = 0; i < rows->rows(); ++i) {
      const auto gid = control::parse_gid(rows->get(i, 0));
      const Decision decision = gid ? shards.decision(*gid) : Decision{"unknown", ""};
      add(shard.name, rows->text(i, 0), gid ? gid->commit_point : "", rows->text(i, 1), rows->text(i, 2), decision,
          gid ? "" : "its name is not one that Howdah makes");
    }
  }
}

}  // namespace

Table show_transactions(const config::Config& config) {
  Table table(kTransactionColumns);
  for (const auto& [name, database] : config.databases) {
    if (database.shards.size() > 1 && !database.control.user.empty()) add_prepared(config.cluster, database, table);
  }
  return table;
}

}  // namespace howdah::admin
