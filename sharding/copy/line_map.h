// Which line of the client's COPY data a shard means by the number of a line of its own share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace howdah::sharding {

class LineMap {
 public:
  // The shard got a row of `lines` lines, the last of which is the client's line `end`. Rows come in order.
  void add(std::uint64_t end, std::uint32_t lines);
  // Empty: not known (any more: maps of very long data are given up).
  std::optional<std::uint64_t> client_line(std::uint64_t line) const;

 private:
  static constexpr std::size_t kMost = 4u << 20;
  void put(std::uint64_t number);

  std::string rows_;            // per row, in as few bytes as possible: lines of the client's since the last row, own lines
  std::uint64_t end_ = 0;
  bool given_up_ = false;
};

// The CONTEXT of a server's error, "COPY users, line 3, column id", with the client's line; without a line where that is not known.
std::string with_client_line(Bytes context, const LineMap& map);

}  // namespace howdah::sharding
