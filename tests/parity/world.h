// The demo on four shards behind Howdah, and on an unsharded twin.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/howdah_process.h"

namespace howdah::parity {

using Conn = std::unique_ptr<PGconn, void (*)(PGconn*)>;

class World {
 public:
  static constexpr int kShards = 4;

  World();
  Conn connect_howdah();
  Conn connect_twin();

  // Read from the servers directly: how the shards' rows together differ from the twin's, or a row that is on another
  // shard than its key says, or a prepared transaction that was left behind. Empty: they agree.
  std::string differences();
  // All tables as they were at the beginning.
  void restore();

 private:
  std::string misplaced(testing::PgConn& shard, int number);

  testing::PgCluster cluster_;
  std::unique_ptr<testing::HowdahProcess> proxy_;
  std::vector<testing::PgConn> servers_;  // the shards', and the twin's
};

}  // namespace howdah::parity
