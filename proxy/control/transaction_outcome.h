// What recovery says about distributed transactions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace howdah::control {

enum class Outcome : std::uint8_t { kCommit, kAbort };

// One prepared transaction that waits for its outcome.
struct InDoubt {
  std::string database;      // as the configuration calls it
  std::string shard;         // where it is prepared
  std::string commit_point;  // the shard that holds its decision
  std::string gid;
  std::string owner;
  std::chrono::milliseconds age{0};  // by that server's clock
  std::string reason;                // why it is not finished yet
  bool operator==(const InDoubt&) const = default;
};

}  // namespace howdah::control
