// A control connection to one shard's acting primary that has proven to be that shard.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <set>
#include <string>

#include "drivers/pq/async_connection.h"
#include "proxy/config/config.h"
#include "proxy/control/settings.h"
#include "proxy/control/shard_roles.h"

namespace howdah::control {

class ShardSession;

// Sessions that a stop must end. Lives on the control thread, longer than its sessions.
class SessionScope {
 public:
  void stop();
  bool stopping() const { return stopping_; }

 private:
  friend class ShardSession;
  std::set<ShardSession*> sessions_;
  bool stopping_ = false;
};

// Its commits are synchronous. One user at a time.
class ShardSession {
 public:
  // The references outlive it.
  ShardSession(boost::asio::io_context& io, SessionScope& scope, const std::string& cluster,
               const config::Database& database, const config::Shard& shard, const Settings& settings);
  ~ShardSession();
  ShardSession(const ShardSession&) = delete;
  ShardSession& operator=(const ShardSession&) = delete;

  // Connects unless connected to who is the primary now; kServerUnavailable while nobody is known to be. kWrongServer when the server says it is another shard; kServerUnavailable.
  boost::asio::awaitable<Result<void>> open();
  // An error carries the shard's name; it closes the session when a statement ended without an answer. A
  // warning is an error too: "canceling wait for synchronous replication" is one. So is an answer that came after another
  // server became the primary: it is about data that no longer counts.
  boost::asio::awaitable<Result<pq::PgResult>> exec(std::string sql, pq::Params params = {});
  // SQLSTATE of the last failed exec(); empty when no server said one.
  const std::string& last_sqlstate() const { return last_sqlstate_; }
  void close() { connection_.disconnect(); }

  const config::Shard& shard() const { return shard_; }
  // exec() waits no longer than this; by default Settings::statement_timeout from its call.
  void set_deadline(SteadyTime deadline) { deadline_ = deadline; }

 private:
  friend class SessionScope;
  SteadyTime deadline() const;
  std::uint64_t generation() const { return role_generation(settings_.roles.get(), database_, shard_); }

  SessionScope& scope_;
  const std::string& cluster_;
  const config::Database& database_;
  const config::Shard& shard_;
  const Settings& settings_;
  pq::AsyncConnection connection_;
  std::string last_sqlstate_;
  SteadyTime deadline_{};
  std::uint64_t generation_ = 0;  // of the shard's role, when it connected
};

}  // namespace howdah::control
