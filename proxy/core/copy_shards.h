// The COPYs that one COPY FROM STDIN of a client's is on several shards. Of one session, for one statement.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/core/server_conn.h"
#include "sharding/copy/copy_rows.h"
#include "sharding/copy/line_map.h"
#include "sharding/router.h"

namespace howdah::proxy {

struct CopyShare {
  ServerConn* conn = nullptr;
  std::string data;            // rows not sent yet
  sharding::LineMap lines;
  bool used = false;           // it got rows
};

class CopyShards {
 public:

  // Both are borrowed.
  CopyShards(const sharding::sql::ManyCopy& plan, const sharding::ShardMap& map) : plan_(plan), map_(map), rows_(plan.format) {}

  // By shard number, each once.
  void open(ServerConn& conn);
  std::vector<CopyShare>& shares() { return shares_; }

  void feed(Bytes data) { rows_.feed(data); }
  // No more data comes.
  void finish() { rows_.finish(); }
  // Sends on what has come of whole rows; why not, else.
  std::optional<Error> distribute();
  // CopyDone to all, behind the rest of the rows.
  void end();
  // CopyFail to those that still copy.
  void fail(std::string_view reason);
  bool congested() const;
  // The first share whose COPY failed, or whose server is gone; null: none.
  CopyShare* failed();

 private:
  void give(CopyShare& share, const sharding::CopyRow& row);
  void flush(CopyShare& share);

  const sharding::sql::ManyCopy& plan_;
  const sharding::ShardMap& map_;
  sharding::CopyRows rows_;
  std::vector<CopyShare> shares_;
  std::string message_;
};

}  // namespace howdah::proxy
