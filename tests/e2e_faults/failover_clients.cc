#include "tests/e2e_faults/failover_clients.h"

#include <algorithm>

#include "tests/support/pg_conn.h"

namespace howdah::faults {

using testing::Answer;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

FailoverClients::FailoverClients(std::string url, int writers, int transactions, int readers) : url_(std::move(url)) {
  for (int i = 0; i < writers + transactions; ++i) {
    const bool block = i >= writers;
    crew_.add([this, i, block](const std::atomic<bool>& stopped) {
      PgConn conn(url_);
      long number = 0;
      while (!stopped) block ? write_in_transaction(i, conn, number) : write(i, conn, number);
    });
  }
  for (int i = 0; i < readers; ++i) {
    crew_.add([this, i](const std::atomic<bool>& stopped) {
      PgConn conn(url_);
      while (!stopped) {
        const Moment began = Clock::now();
        const Answer answer = i % 2 == 0 ? conn.query("SELECT count(*) FROM shown") : conn.query("SELECT count(*) FROM shown WHERE id > $1", {"0"});
        const std::lock_guard lock(mutex_);
        if (answer.ok()) {
          reads_.push_back(Clock::now());
        } else {
          note_failure(read_failures_, 1000 + i, answer, began, false);
        }
      }
    });
  }
}

void FailoverClients::note_failure(std::vector<Failure>& list, int client, const Answer& answer, Moment began, bool in_transaction) {
  list.push_back({client, answer.sqlstate, answer.message, began, in_transaction});
}

void FailoverClients::acknowledge(int client, long number, Moment at) {
  acknowledged_.insert(std::to_string(client) + ":" + std::to_string(number));
  successes_[client].push_back(at);
  ++done_;
}

void FailoverClients::write(int client, PgConn& conn, long& number) {
  const Moment began = Clock::now();
  ++begun_;
  ++number;
  const Answer answer = conn.query("INSERT INTO ledger VALUES (" + std::to_string(client) + ", " + std::to_string(number) + ")");
  const std::lock_guard lock(mutex_);
  if (answer.ok()) return acknowledge(client, number, Clock::now());
  note_failure(write_failures_, client, answer, began, false);
}

void FailoverClients::write_in_transaction(int client, PgConn& conn, long& number) {
  const Moment began = Clock::now();
  ++begun_;
  const long first = number + 1;
  number += 3;
  Answer answer = conn.query("BEGIN");
  for (long n = first; n < first + 3 && answer.ok(); ++n) {
    answer = conn.query("INSERT INTO ledger VALUES (" + std::to_string(client) + ", " + std::to_string(n) + ")");
  }
  if (answer.ok()) {
    answer = conn.query("COMMIT");
    if (answer.ok() && answer.tag == "ROLLBACK") answer.sqlstate = "rolled back";
  } else {
    conn.query("ROLLBACK");
  }
  const std::lock_guard lock(mutex_);
  if (!answer.ok() || answer.tag == "ROLLBACK") return note_failure(write_failures_, client, answer, began, true);
  for (long n = first; n < first + 3; ++n) acknowledge(client, n, Clock::now());
}

std::vector<FailoverClients::Failure> FailoverClients::write_failures() const {
  const std::lock_guard lock(mutex_);
  return write_failures_;
}

std::vector<FailoverClients::Failure> FailoverClients::read_failures() const {
  const std::lock_guard lock(mutex_);
  return read_failures_;
}

std::set<std::string> FailoverClients::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

std::map<int, Moment> FailoverClients::first_success_after(Moment since) const {
  const std::lock_guard lock(mutex_);
  std::map<int, Moment> first;
  for (const auto& [client, moments] : successes_) {
    const auto at = std::find_if(moments.begin(), moments.end(), [&](Moment moment) { return moment > since; });
    if (at != moments.end()) first[client] = *at;
  }
  return first;
}

std::vector<Moment> FailoverClients::reads() const {
  const std::lock_guard lock(mutex_);
  auto sorted = reads_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace howdah::faults
