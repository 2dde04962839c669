// Users that the configuration does not name, looked up on a server: what PgBouncer calls auth_query.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "drivers/pq/connection.h"
#include "drivers/pq/stop_signal.h"
#include "proxy/access/lookup_cache.h"
#include "proxy/core/identity.h"

namespace howdah::proxy {

// One database's look-ups: a thread, a connection that no client's setting ever reaches, and what was answered lately.
// Thread-safe. Clients that ask for the same user at the same time share one query.
class UserLookup {
 public:
  // The answer; null: there is no such user, or none that may log in. An error: the server could not be asked.
  using Callback = std::function<void(Result<IdentityPtr>)>;
  // Makes a look-up's answer complete (a plain password's verifier); runs on the look-up's thread.
  using Complete = std::function<IdentityPtr(config::User)>;

  // Where `server` has been promoted away from; nothing: it has not.
  using Where = std::function<std::optional<config::Server>()>;
  UserLookup(config::AuthQuery settings, config::Server server, Complete complete, Where where = {});
  ~UserLookup();
  UserLookup(const UserLookup&) = delete;
  UserLookup& operator=(const UserLookup&) = delete;

  const config::AuthQuery& settings() const { return settings_; }
  const config::Server& server() const { return server_; }
  // `done` runs at once when the answer is known, else on the look-up's thread; never after stop() returned.
  void find(const std::string& name, Callback done);
  // What is under way ends with an error, and so does every find() from now on. Returns when the thread has ended.
  void stop();
  // A login with the known answer failed, so it may be out of date: asks again unless it is only seconds old.
  void doubt(const std::string& name);

 private:
  void run();
  void answer(const std::string& name, const Result<IdentityPtr>& result);
  Result<IdentityPtr> ask(const std::string& name);
  Result<IdentityPtr> judge(const std::string& name, const pq::PgResult& rows);
  Result<void> connect(SteadyTime deadline);
  config::Server primary() const;

  const config::AuthQuery settings_;
  const config::Server server_;
  const Complete complete_;
  const Where where_;
  config::Server connected_to_;  // the thread's
  pq::StopSignal stop_;
  std::unique_ptr<pq::Connection> connection_;  // the thread's
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  access::LookupCache<IdentityPtr> cache_;
  std::map<std::string, std::vector<Callback>> waiting_;
  std::deque<std::string> queue_;
  std::thread thread_;
};

}  // namespace howdah::proxy
