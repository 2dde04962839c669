// Clients that write and read without a pause while primaries come and go, and keep books of what they were told.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e_faults/app_client.h"

namespace howdah::faults {

using Moment = std::chrono::steady_clock::time_point;

// Writers put rows (client, number) into `ledger`, one by one or three in a transaction; readers count `shown`. Every client
// has one connection for its whole life.
class FailoverClients {
 public:
  FailoverClients(std::string url, int writers, int transactions, int readers);
  ~FailoverClients() { stop(); }
  void stop() { crew_.stop(); }

  struct Failure {
    int client;
    std::string sqlstate, message;
    Moment began;  // the statement, or the transaction that it was in
    bool in_transaction;
  };
  std::vector<Failure> write_failures() const;
  std::vector<Failure> read_failures() const;
  // What was acknowledged: "client:number".
  std::set<std::string> acknowledged() const;
  // For each writer the first acknowledgement after `since`; writers without one are missing.
  std::map<int, Moment> first_success_after(Moment since) const;
  std::size_t writes_begun() const { return begun_.load(); }
  std::size_t writes_done() const { return done_.load(); }
  // When reads ended, in order.
  std::vector<Moment> reads() const;

 private:
  void write(int client, testing::PgConn& conn, long& number);
  void write_in_transaction(int client, testing::PgConn& conn, long& number);
  void note_failure(std::vector<Failure>& list, int client, const testing::Answer& answer, Moment began, bool in_transaction);
  void acknowledge(int client, long number, Moment at);

  const std::string url_;
  mutable std::mutex mutex_;
  std::vector<Failure> write_failures_, read_failures_;
  std::set<std::string> acknowledged_;
  std::map<int, std::vector<Moment>> successes_;
  std::vector<Moment> reads_;
  std::atomic<std::size_t> begun_{0}, done_{0};
  Crew crew_;
};

}  // namespace howdah::faults
