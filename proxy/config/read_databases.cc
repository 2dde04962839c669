#include <bit>
#include <map>
#include <set>

#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

constexpr std::size_t kMaxShards = 1024;

std::string address_of(const Server& server) {
  return "host=" + server.host + " port=" + std::to_string(server.port) +
         (server.dbname.empty() ? "" : " dbname=" + server.dbname);
}

// Two entries for one server would count its connections and its WAL twice.
void check_addresses(const std::vector<Shard>& shards, const std::vector<Entry>& items, Reader& reader) {
  std::map<std::string, std::string> seen;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const auto check = [&](const Server& server, const std::string& role) {
      const auto [first, added] = seen.emplace(address_of(server), items[i].path + role);
      if (!added) {
        reader.fault(items[i].line,
                     items[i].path + role + ": " + first->first + " is already " + first->second);
      }
    };
    check(shards[i].primary, ".primary");
    for (std::size_t j = 0; j < shards[i].replicas.size(); ++j) {
      check(shards[i].replicas[j], ".replicas[" + std::to_string(j) + "]");
    }
  }
}

void number_servers(std::vector<Shard>& shards) {
  std::uint16_t next = 0;
  for (auto& shard : shards) {
    shard.primary.id = ServerId(next++);
    for (auto& replica : shard.replicas) replica.id = ServerId(next++);
  }
}

void check_database_name(const std::string& name, Reader& reader, const Entry& entry) {
  if (name.empty() || name.size() > 63) reader.fault(entry.line, entry.path + ": a name has 1 to 63 bytes");
  if (name == "howdah" || name == "pgbouncer")
    reader.fault(entry.line, entry.path + ": this name is the admin console's");
}

// FNV-1a: equal rules give equal versions, so that a reload that changes nothing keeps the plans made under
// them.
std::uint64_t fingerprint(const sharding::Rules& rules) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&hash](const std::string& text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
  mix(std::to_string(rules.buckets) + " " + std::to_string(static_cast<int>(rules.hash)) + " " +
      std::to_string(rules.shards));
  for (const auto& [name, rule] : rules.tables) {
    mix(name);
    mix(std::to_string(static_cast<int>(rule.kind)) + " " + std::to_string(rule.shard.value()) + " " +
        rule.column);
  }
  for (const auto& [name, declared] : rules.shard_local) {
    for (const auto& arguments : declared) mix(name + arguments);
  }
  return hash;
}

void check_database(Database& database, Reader& reader, const Entry& entry) {
  auto& rules = database.rules;
  rules.shards = static_cast<std::uint16_t>(database.shards.size());
  rules.version = fingerprint(rules);
  if (!std::has_single_bit(rules.buckets)) {
    reader.fault(entry.line, entry.path + ".sharding.buckets: " + std::to_string(rules.buckets) +
                                 " is not a power of two");
  }
  if (rules.shards > rules.buckets)
    reader.fault(entry.line, entry.path + ": there are more shards than buckets");
  if (database.shards.size() > 1 && database.control.user.empty()) {
    reader.fault(entry.line, entry.path + ": several shards need a control account");
  }
}

}  // namespace

void read_databases(Config& config, Reader& reader, const Entry& entry) {
  const auto items = reader.take_map(entry);
  if (!items) return;
  if (items->empty()) reader.fault(entry.line, entry.path + ": at least one database is needed");
  for (const auto& item : *items) {
    check_database_name(item.key, reader, item);
    Database database;
    database.name = item.key;
    read_section(reader, database_section(), item, database);
    check_database(database, reader, item);
    config.databases.emplace(item.key, std::move(database));
  }
}

void read_shards(Database& database, Reader& reader, const Entry& entry) {
  const auto items = reader.take_list(entry);
  if (!items) return;
  if (items->empty()) reader.fault(entry.line, entry.path + ": at least one shard is needed");
  if (items->size() > kMaxShards)
    reader.fault(entry.line, entry.path + ": at most " + std::to_string(kMaxShards) + " shards");
  std::set<std::string> names;
  for (const auto& item : *items) {
    Shard shard;
    read_section(reader, shard_section(), item, shard);
    if (!shard.name.empty() && !names.insert(shard.name).second) {
      reader.fault(item.line, item.path + ": shard " + quoted(shard.name) + " is given twice");
    }
    database.shards.push_back(std::move(shard));
  }
  check_addresses(database.shards, *items, reader);
  number_servers(database.shards);
}

}  // namespace howdah::config
