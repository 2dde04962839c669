// One shard's share of a statement over several shards.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "sharding/edited_text.h"
#include "sharding/write/insert_rows.h"

namespace howdah::proxy {

class ServerConn;

struct WritePart {
  ShardId shard;
  ServerConn* conn = nullptr;
  std::vector<std::uint32_t> rows;  // of VALUES
  int position_offset = 0;          // characters of the client's string before the statement
  std::optional<sharding::InsertPart> insert;  // empty: the whole text
  const sharding::EditedText* edited = nullptr;  // what was the client's text, where that was not sent
};

}  // namespace howdah::proxy
