// A server that plays what PostgreSQL 15 cannot: keys of protocol 3.2. It trusts every login, answers its own kind of
// queries, and keeps what it was sent.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace howdah::e2e {

// Every query is answered with one row `1`, but one that contains "forever": that one waits for a CancelRequest and is
// answered 57014 then. Listens on a free port of 127.0.0.1; ends with its destructor.
class ScriptedServer {
 public:
  // `key`: of the BackendKeyData that each login gets.
  explicit ScriptedServer(std::string key);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const { return port_; }
  // Whether a query with this text came.
  bool saw(const std::string& text) const;
  // Of the last CancelRequest; empty when none came.
  std::string cancel_key() const;

 private:
  void accept_all();
  void serve(int fd);
  void answer(int fd, const std::string& sql);

  const std::string key_;
  int listen_fd_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> queries_;  // guarded by mutex_, as are those below
  std::string cancel_key_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
  std::atomic<bool> stopping_{false};
};

}  // namespace howdah::e2e
