// What a client wishes of routing: the parameters howdah.*, by SET, in a comment at the start of a statement, or with its login.
// No server ever sees them.
//
//   SET howdah.scatter = off;
//   /* howdah.shard = 's1', howdah.role = replica */ SELECT * FROM pg_stat_activity
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "sharding/router.h"

namespace howdah::proxy {

// A value, immutable where shared.
struct Hints {
  enum class Role : std::uint8_t { kAny, kPrimary, kReplica };
  enum class Consistency : std::uint8_t { kSession, kEventual, kStrong };
  // Above READ COMMITTED, over several shards: refused, or each shard by a snapshot of its own.
  enum class Isolation : std::uint8_t { kStrict, kRelaxed };

  std::optional<std::string> sharding_key;
  std::string shard;                     // its name; empty: any
  Role role = Role::kAny;
  bool scatter = true;                   // false: statements over several shards are refused
  Consistency consistency = Consistency::kSession;
  Isolation multi_shard_isolation = Isolation::kStrict;
  // Unique keys without the sharding key: refused, or made to hold on each shard only.
  enum class Unique : std::uint8_t { kEverywhere, kPerShard };
  Unique unique = Unique::kEverywhere;
  bool operator==(const Hints&) const = default;

  sharding::ReadFrom read_from() const;
};
// Null: none of them is set.
using HintsPtr = std::shared_ptr<const Hints>;

inline bool is_howdah(std::string_view name) { return name.starts_with("howdah."); }

// What a value is judged by.
struct HintDomain {
  std::vector<std::string> shards;
};

// `value` as SET has it; nothing: the default. kUndefinedSetting with the nearest name, or kInvalidValue.
std::optional<Error> set_hint(Hints& hints, std::string_view name, std::optional<std::string_view> value, const HintDomain& domain);
// As SHOW gives it; kUndefinedSetting.
Result<std::string> show_hint(const Hints& hints, std::string_view name);
// Those of a comment, over what `hints` has: `howdah.name = value`, apart by commas; values are words, numbers or 'strings'.
std::optional<Error> read_hint_comment(std::string_view comment, Hints& hints, const HintDomain& domain);
// What is not the default, as names and values: see set_hint().
std::vector<std::pair<std::string, std::string>> hint_values(const Hints& hints);

}  // namespace howdah::proxy
