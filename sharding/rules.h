// Which table is sharded how, and which functions keep to their shard: `sharding.tables` and `sharding.functions` of the configuration.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace howdah::sharding {

enum class HashKind : std::uint8_t { kPostgres, kXxh64 };

enum class TableRuleKind : std::uint8_t {
  kHash,       // rows live on the shard of hash(column)
  kReference,  // a full copy on every shard
  kLocal,      // all rows live on one shard
};

struct TableRule {
  TableRuleKind kind = TableRuleKind::kHash;
  std::string column;  // kHash: the sharding key
  ShardId shard;       // kLocal
  bool operator==(const TableRule&) const = default;
};

// Immutable once the configuration is loaded.
struct Rules {
  std::uint32_t buckets = 4096;  // a power of two
  HashKind hash = HashKind::kPostgres;
  std::uint16_t shards = 1;
  // Key: "schema.table", both as in the catalog (an unqualified name in the file means schema public).
  std::map<std::string, TableRule, std::less<>> tables;
  // Functions whose result is the same on the shard of the row they are called for as on one server with all data. Key: "schema.name";
  // the argument lists declared (see argument_list()), an empty one for all overloads.
  std::map<std::string, std::set<std::string>, std::less<>> shard_local;
  std::uint64_t version = 0;

  const TableRule* find(std::string_view schema, std::string_view table) const {
    std::string key;
    key.reserve(schema.size() + table.size() + 1);
    key.append(schema).append(".").append(table);
    auto found = tables.find(key);
    return found == tables.end() ? nullptr : &found->second;
  }
};

}  // namespace howdah::sharding
