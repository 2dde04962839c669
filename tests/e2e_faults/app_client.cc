#include "tests/e2e_faults/app_client.h"

#include <gtest/gtest.h>

namespace howdah::faults {

void Books::note(long number, Promise promise) {
  const std::lock_guard lock(mutex_);
  if (promise == Promise::kDone) done_.insert(number);
  if (promise == Promise::kNotDone) not_done_.insert(number);
}

std::set<long> Books::copy(const std::set<long>& from) const {
  const std::lock_guard lock(mutex_);
  return from;
}

void Books::expect_kept(const std::set<long>& present, const std::string& what) const {
  for (const long number : done())
    EXPECT_TRUE(present.contains(number)) << what << ": acknowledged " << number << " is lost";
  for (const long number : not_done())
    EXPECT_FALSE(present.contains(number))
        << what << ": " << number << " is there although its client was told it failed";
}

Books::Promise promise_of(const testing::Answer& answer) {
  if (answer.ok()) return answer.tag == "ROLLBACK" ? Books::Promise::kNotDone : Books::Promise::kDone;
  const bool unknown = answer.sqlstate.starts_with("08") || answer.sqlstate.starts_with("57P");
  return unknown ? Books::Promise::kUnknown : Books::Promise::kNotDone;
}

bool AppClient::connected() {
  if (conn_ && conn_->ok()) return true;
  conn_.emplace(url_());
  return conn_->ok();
}

Books::Promise AppClient::transaction(const std::vector<std::string>& statements) {
  if (!connected()) return Books::Promise::kNotDone;
  for (const auto& sql : statements) {
    last_ = conn_->query(sql);
    if (last_.ok()) continue;
    const auto failed = last_;
    if (conn_->ok() && !conn_->query("ROLLBACK").ok() && conn_->ok()) ++unusable_;
    // Before COMMIT was sent nothing can have been committed.
    return &sql == &statements.back() ? promise_of(failed) : Books::Promise::kNotDone;
  }
  return promise_of(last_);
}

Books::Promise AppClient::statement(const std::string& sql) {
  if (!connected()) return Books::Promise::kNotDone;
  last_ = conn_->query(sql);
  return promise_of(last_);
}

void Crew::add(std::function<void(const std::atomic<bool>& stopped)> work) {
  threads_.emplace_back([this, work = std::move(work)] {
    while (!stopped_) work(stopped_);
  });
}

void Crew::stop() {
  stopped_ = true;
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace howdah::faults
