// Four shards behind Howdah and an unsharded twin: the same writes on both leave the same rows, each on its own shard.
#pragma once

#include <gtest/gtest.h>

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/howdah_process.h"

namespace howdah::e2e_sharded {

// What one statement answered.
struct Rows {
  std::vector<std::string> names;
  std::vector<Oid> types;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string tag, sqlstate, position, message;
  bool operator==(const Rows&) const = default;
};

enum class Mode { kSimple, kText, kBinary };
inline constexpr Mode kModes[] = {Mode::kSimple, Mode::kText, Mode::kBinary};

using Params = std::vector<std::optional<std::string>>;
Rows run(PGconn* conn, const std::string& sql, Mode mode = Mode::kSimple, const Params& params = {});

// A hash table's name and its key as hashint8extended takes it.
struct Sharded {
  std::string table, key;
};

class Twin {
 public:
  // `schema` is run on all servers; `tables` and `functions` are the lines of sharding.tables and sharding.functions.
  Twin(const std::string& schema, const std::string& tables, std::vector<Sharded> sharded, const std::string& functions = {});
  ~Twin();

  PGconn* howdah() const { return howdah_; }
  PGconn* twin() const { return twin_; }
  testing::PgCluster& cluster() { return *cluster_; }
  testing::HowdahProcess& proxy() { return *proxy_; }

  // On both, whatever it answers; the two must say the same. Rows in any order unless `ordered`.
  void same(const std::string& sql, const Params& params = {}, bool ordered = false);
  void same_in(Mode mode, const std::string& sql, const Params& params = {}, bool ordered = false);
  // Only where the twin is known to do it.
  void both(const std::string& sql);
  // The shards' rows together are the twin's, and each is where its key belongs.
  void same_tables();
  // Rows of a table on each shard.
  std::vector<int> counts(const std::string& table);

 private:
  std::vector<Sharded> sharded_;
  std::unique_ptr<testing::PgCluster> cluster_;
  std::unique_ptr<testing::HowdahProcess> proxy_;
  PGconn* howdah_ = nullptr;
  PGconn* twin_ = nullptr;
};

}  // namespace howdah::e2e_sharded
