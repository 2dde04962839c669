// Which table is sharded how: the `sharding.tables` section of the configuration, resolved.
#pragma once

#include <cstdint>
#include <map>
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
