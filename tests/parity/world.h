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
  // Of each table the sum of its rows' hashes, as text; of a shard then the number of rows that belong elsewhere.
  std::vector<std::string> fingerprint(std::size_t server);
  std::string compare_rows(const char* table, bool reference);

  testing::PgCluster cluster_;
  std::unique_ptr<testing::HowdahProcess> proxy_;
  std::vector<testing::PgConn> servers_;  // the shards', and the twin's
  std::vector<std::vector<std::string>> first_;  // fingerprints at the beginning
};

}  // namespace howdah::parity
