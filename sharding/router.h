// From a plan and this execution's values to the shard: the decision as one small value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "sharding/shard_map.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {

// Which of a shard's servers a client wishes to read.
enum class ReadFrom : std::uint8_t {
  kDefault,         // a replica that shows all that the client has seen, else the primary
  kPrimary,
  kReplica,         // as kDefault, but never the primary
  kEventual,        // any replica, else the primary
  kEventualReplica, // any replica
};

struct Route {
  enum class Kind : std::uint8_t {
    kProxy, kHome, kAnyShard, kShard, kAllShards, kCanonical,
    kManyShards,   // a query or write over the shards of `mask`: StatementPlan::spread or many_write
  };
  Kind kind = Kind::kHome;
  ShardId shard;            // kShard
  std::uint64_t mask = 0;   // kManyShards: bit i for shard i, also of more than 64 shards: bit i % 64
  std::int64_t limit = sql::kNoLimit;  // kManyShards: of this execution
  std::int64_t offset = 0;
  ReadFrom read_from = ReadFrom::kDefault;  // by the client's hints
  bool operator==(const Route&) const = default;
};

// The parameters of one Bind message. Borrowed from the message.
struct BoundParam {
  Bytes value;
  bool is_null = false;
  bool binary = false;
  Oid type = 0;     // as Parse declared it or ParameterDescription told it; 0 unknown
};

// The values of one execution: literals through the token stream's slots, or bound parameters. All borrowed.
struct Values {
  Bytes text;                             // the statement text
  std::span<const sql::Slot> slots;
  std::span<const BoundParam> params;
  bool standard_conforming_strings = true;
  bool utf8 = true;                       // client_encoding is UTF8 (or the text is known to be ASCII)
};

// kUnsupported when the values name several shards, or cannot be read exactly; anything in the plan's refusal.
// Values that the server itself will reject (malformed integer) route to one shard, so that the server's error is seen.
Result<Route> route(const sql::StatementPlan& plan, const Values& values, const ShardMap& map);

// Whether every value that the statement's own conditions and rows give for a sharding key is `key`, read as their columns would
// read it; empty when the statement has no such values.
std::optional<bool> own_keys_are(const sql::StatementPlan& plan, const Values& values, Bytes key, const ShardMap& map);

// The shard of each row of an INSERT ... VALUES, in order.
// REQUIRES: write.by_rows.
Result<std::vector<ShardId>> route_rows(const sql::ManyWrite& write, const Values& values, const ShardMap& map);

// Where an UPDATE of the key moves its rows to; empty: each row its own way, or no row can have this key (NULL, bad syntax).
// REQUIRES: write.move.
Result<std::optional<ShardId>> move_target(const sql::ManyWrite& write, const Values& values, const ShardMap& map);

// The shard of one row of COPY; empty when any server refuses its key. `pin`: ManyCopy::key.
Result<std::optional<ShardId>> route_key(const sql::Pin& pin, Bytes value, bool is_null, bool binary, const ShardMap& map);

}  // namespace howdah::sharding
