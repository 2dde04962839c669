// The name of a prepared transaction of ours:
//
//   howdah1:<cluster>:<participant>:<commit point>:<map epoch>:<hex sha256(token)>
//
// Cluster and shards are the configuration's names. PostgreSQL allows 199 bytes.
// https://www.postgresql.org/docs/15/sql-prepare-transaction.html
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace howdah::control {

struct Gid {
  std::string cluster;
  std::string participant;   // the shard that it is prepared on
  std::string commit_point;  // the shard that decides
  Epoch epoch;
  std::string token_hash;  // 64 lower-case hex digits
  bool operator==(const Gid&) const = default;

  std::string to_string() const;
};

inline constexpr std::size_t kMaxGidBytes = 199;

// Nothing when the text is not exactly what to_string() makes: such a transaction is not ours.
std::optional<Gid> parse_gid(std::string_view text);

// "howdah1:<cluster>:", what the GIDs of one cluster begin with.
std::string gid_prefix(std::string_view cluster);

}  // namespace howdah::control
