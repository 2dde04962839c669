// What a client has written and seen, as a text that it can carry to another connection or another proxy: SHOW and SET
// howdah.token. A read behind a token comes from the primary, or from a replica that has replayed all that the token covers.
//
//   howdah1:<cluster>:<epoch of the shard map>:<shard>=<timeline>/<WAL position>,...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::proxy {

struct ConsistencyToken {
  struct Position {
    std::string shard;
    std::uint32_t timeline = 0;
    std::uint64_t lsn = 0;
    bool operator==(const Position&) const = default;
  };
  std::string cluster;
  std::uint64_t epoch = 0;
  std::vector<Position> positions;  // of the shards that the client has used
  bool operator==(const ConsistencyToken&) const = default;

  std::string text() const;
  // Nothing: it is no token.
  static std::optional<ConsistencyToken> parse(std::string_view text);
};

}  // namespace howdah::proxy
