// PostgreSQL's own functions and types that need a word more than the catalog gives.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace howdah::sharding::sql {

enum class FunctionTrait : std::uint8_t {
  kNone,         // the catalog's volatility tells all
  kServer,       // its answer is about the server, backend or transaction that runs it: a primary must answer
  kHarmless,     // volatile, yet changes nothing that outlives the statement
  kSetConfig,    // set_config
  kSessionLock,  // takes an advisory lock for the session
  kSessionUnlock,  // gives one back
  kListening,    // pg_listening_channels
  kLock,         // takes an advisory lock for the transaction
  kSequence,     // nextval, setval, currval, lastval
  kNotify,       // pg_notify
  kHiddenRead,   // runs a query given as text, or reads tables named in text
  kShardContent,  // its answer differs from shard to shard: sizes, statistics
};

// Of a function in pg_catalog.
FunctionTrait function_trait(std::string_view name);
// A stable function whose result depends on nothing but its arguments and the client's settings, which all shards share.
bool same_on_all_shards(std::string_view name);
// Aggregates whose result does not depend on the order of their input.
bool is_orderless_aggregate(std::string_view name);
// Views and tables of pg_catalog whose rows differ from shard to shard or from connection to connection.
bool is_shard_content_relation(std::string_view name);
// The OID of a pg_catalog type that a key value may be cast to, 0 for any other.
Oid key_cast_type(std::string_view name);
// A type of pg_catalog by its short name: casting to it runs no code of users.
bool is_builtin_type(std::string_view name);
// regclass and its like: names become OIDs, which differ from shard to shard.
bool is_reg_type(std::string_view name);
// Types whose input function reads the clock ('now', 'today').
bool is_clock_type(std::string_view name);

}  // namespace howdah::sharding::sql
