// Watches what differs between shards: the OIDs that each gave to users' types and relations, for translation to those of the
// canonical shard; and tables whose definitions are not the same.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/pq/async_connection.h"
#include "proxy/config/config.h"
#include "proxy/control/database_state.h"
#include "proxy/control/settings.h"

namespace howdah::control {

// Of one database with several shards. Lives on the control thread. Reads from all primaries.
class IdsWatch {
 public:
  using Publish = std::function<void(ShardIdsPtr, std::shared_ptr<const schema::Drift>)>;
  using Done = std::function<void()>;

  // `database` outlives it.
  IdsWatch(boost::asio::io_context& io, const config::Database& database, Settings settings, Publish publish);

  void start();
  // The loop ends soon after, on the io_context; the object must outlive it. Callers that wait are answered.
  void stop();
  // `done` runs when all shards that answer have been read after this call, and what they said is published.
  void refresh(Done done);

 private:
  using Names = std::map<std::string, Oid>;  // kind, schema and name -> OID
  struct Shape {
    std::vector<std::string> columns;
    std::string guards;  // triggers and row-level security
    bool operator==(const Shape&) const = default;
  };
  using Shapes = std::map<std::string, Shape>;   // schema and name -> definition
  struct Shard {
    explicit Shard(boost::asio::io_context& io) : connection(io) {}
    pq::AsyncConnection connection;
    std::uint64_t generation = 0;  // of the shard's role, when it connected
    std::string fingerprint;
    std::optional<Names> names;  // empty: it has not told yet
    Shapes shapes;
    std::map<Oid, schema::TypeShape> types;
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> check(std::size_t index);
  bool look_for_drift();
  std::optional<schema::Difference> difference(const std::string& table, const Shape& canonical) const;
  void publish();

  const config::Database& database_;
  const Settings settings_;
  const Publish publish_;
  std::vector<std::unique_ptr<Shard>> shards_;
  boost::asio::steady_timer timer_;
  std::vector<Done> waiting_;
  // Found in this round and in the one before: DDL reaches one shard after the other.
  std::shared_ptr<const schema::Drift> found_, drift_, published_;
  bool stopping_ = false;
};

}  // namespace howdah::control
