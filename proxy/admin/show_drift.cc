// SHOW DRIFT: where the shards of a database are not alike, as the servers say now.
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "proxy/admin/columns.h"
#include "proxy/admin/drift_facts.h"
#include "proxy/admin/show.h"
#include "proxy/control/control_params.h"

namespace howdah::admin {

namespace {

constexpr milliseconds kPatience{10'000};     // with each server
constexpr milliseconds kBetweenLooks{1'000};  // DDL reaches one shard after the other

struct Shard {
  const config::Shard* shard = nullptr;
  std::unique_ptr<pq::Connection> connection;
  DriftFacts facts;
  std::string error;
};

struct Difference {
  std::string first, shard, kind, object, first_has, shard_has, error;
  auto operator<=>(const Difference&) const = default;
};

void look_at(Shard& shard) {
  if (shard.connection == nullptr) return;
  auto facts = read_drift_facts(*shard.connection, pq::within(kPatience));
  if (facts) {
    shard.facts = std::move(*facts);
  } else {
    shard.error = facts.error().message;
    shard.connection.reset();
  }
}

// A local table, with its parts, may be on its own shard only.
bool is_local(const sharding::Rules& rules, const std::string& kind, const std::string& object, const DriftFact& fact) {
  std::string name = kind == "table" ? object : fact.table;
  std::erase(name, '"');
  const auto rule = rules.tables.find(name);
  return rule != rules.tables.end() && rule->second.kind == sharding::TableRuleKind::kLocal;
}

// What a table has needs no mention where the whole table is missing.
bool table_is_missing(const DriftFacts& facts, const DriftFact& fact) {
  return !fact.table.empty() && !facts.contains({"table", fact.table});
}

void compare(const sharding::Rules& rules, const Shard& first, const Shard& other, std::set<Difference>& out) {
  for (const auto& [key, fact] : first.facts) {
    const auto found = other.facts.find(key);
    if (found != other.facts.end() && found->second.value == fact.value) continue;
    if (found == other.facts.end() && (table_is_missing(other.facts, fact) || is_local(rules, key.first, key.second, fact))) continue;
    out.insert({first.shard->name, other.shard->name, key.first, key.second, fact.value, found == other.facts.end() ? "" : found->second.value, ""});
  }
  for (const auto& [key, fact] : other.facts) {
    if (first.facts.contains(key) || table_is_missing(first.facts, fact) || is_local(rules, key.first, key.second, fact)) continue;
    out.insert({first.shard->name, other.shard->name, key.first, key.second, "", fact.value, ""});
  }
}

std::set<Difference> look(const config::Database& database, std::vector<Shard>& shards) {
  std::set<Difference> out;
  const Shard* first = nullptr;
  for (Shard& shard : shards) {
    look_at(shard);
    if (shard.connection == nullptr) {
      out.insert({"", shard.shard->name, "", "", "", "", shard.error});
    } else if (first == nullptr) {
      first = &shard;
    } else {
      compare(database.rules, *first, shard, out);
    }
  }
  return out;
}

void add_drift(const config::Database& database, Table& table) {
  std::vector<Shard> shards;
  for (const auto& shard : database.shards) {
    Shard& made = shards.emplace_back();
    made.shard = &shard;
    auto answer = pq::Connection::connect(control::control_params(database, shard.primary, {}), pq::within(kPatience));
    if (answer) {
      made.connection = std::move(*answer);
    } else {
      made.error = answer.error().message;
    }
  }
  std::set<Difference> found = look(database, shards);
  if (!found.empty()) {
    std::this_thread::sleep_for(kBetweenLooks);
    const std::set<Difference> again = look(database, shards);
    std::erase_if(found, [&](const Difference& difference) { return !again.contains(difference); });
    for (const Difference& difference : again) {
      if (!difference.error.empty()) found.insert(difference);
    }
  }
  for (const Difference& difference : found) {
    Row row;
    row << database.name << difference.shard << difference.kind << difference.object << difference.first << difference.first_has << difference.shard_has
        << difference.error;
    table.rows.push_back(row.take());
  }
}

}  // namespace

Table show_drift(const config::Config& config) {
  Table table(kDriftColumns);
  for (const auto& [name, database] : config.databases) {
    if (database.shards.size() > 1 && !database.control.user.empty()) add_drift(database, table);
  }
  return table;
}

}  // namespace howdah::admin
