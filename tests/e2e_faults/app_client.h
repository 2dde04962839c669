// An application's client under faults: it reconnects, and keeps books of what it was promised.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/pg_conn.h"

namespace howdah::faults {

// What clients were told about the work they numbered. Shared by threads.
class Books {
 public:
  enum class Promise { kDone, kNotDone, kUnknown };
  void note(long number, Promise promise);
  std::set<long> done() const { return copy(done_); }
  std::set<long> not_done() const { return copy(not_done_); }
  std::size_t done_count() const { return done().size(); }
  // Tells the test of every promise that `present` (numbers found on the servers) does not keep.
  void expect_kept(const std::set<long>& present, const std::string& what) const;

 private:
  std::set<long> copy(const std::set<long>& from) const;
  mutable std::mutex mutex_;
  std::set<long> done_, not_done_;
};

// What an answer to the deciding statement promises: a lost connection and 08007 promise nothing.
Books::Promise promise_of(const testing::Answer& answer);

// Owned by one thread.
class AppClient {
 public:
  // `url` is asked before every connect.
  explicit AppClient(std::function<std::string()> url) : url_(std::move(url)) {}

  // Sends the statements one after the other, the last being COMMIT, and answers what the client knows. After
  // an error it rolls back; when that is impossible it connects again the next time.
  Books::Promise transaction(const std::vector<std::string>& statements);
  // The same for one statement by itself.
  Books::Promise statement(const std::string& sql);
  // The last error, for messages.
  const testing::Answer& last() const { return last_; }
  // How often, since the last call, ROLLBACK did not bring a living connection back to use.
  int take_unusable() { return std::exchange(unusable_, 0); }

 private:
  bool connected();

  std::function<std::string()> url_;
  std::optional<testing::PgConn> conn_;
  testing::Answer last_;
  int unusable_ = 0;
};

// Threads that run `work` over and over until stop(). The destructor stops them.
class Crew {
 public:
  Crew() = default;
  ~Crew() { stop(); }
  void add(std::function<void(const std::atomic<bool>& stopped)> work);
  void stop();

 private:
  std::atomic<bool> stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace howdah::faults
