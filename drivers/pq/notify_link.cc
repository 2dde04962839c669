#include "drivers/pq/notify_link.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace howdah::pq {

namespace {

int milliseconds_until(SteadyTime deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, 3'600'000));
}

std::string one_line(const char* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void ignore_notice(void*, const PGresult*) {}

}  // namespace

bool NotifyLink::connect(const ConnectParams& params, SteadyTime deadline) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : params) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  error_.clear();
  busy_ = false;
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 1));
  if (connection_ == nullptr || PQstatus(connection_.get()) == CONNECTION_BAD) return lost();
  PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
  auto step = PGRES_POLLING_WRITING;
  while (step != PGRES_POLLING_OK) {
    if (step == PGRES_POLLING_FAILED) return lost();
    pollfd fds[] = {{PQsocket(connection_.get()), static_cast<short>(step == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0},
                    {wake_fd_, POLLIN, 0}};
    const int ready = poll(fds, 2, milliseconds_until(deadline));
    if (fds[1].revents != 0) take_wake_up();
    if (stop_.load()) {
      close();
      return false;
    }
    if (fds[0].revents == 0 && ready > 0) continue;
    if (ready == 0) {
      close();
      error_ = "timeout while connecting";
      return false;
    }
    step = PQconnectPoll(connection_.get());
  }
  PQsetnonblocking(connection_.get(), 1);
  return true;
}

bool NotifyLink::lost() {
  error_ = one_line(connection_ == nullptr ? "out of memory" : PQerrorMessage(connection_.get()));
  if (error_.empty()) error_ = "connection lost";
  close();
  return false;
}

bool NotifyLink::send(const std::string& statements) {
  statement_error_.clear();
  if (PQsendQuery(connection_.get(), statements.c_str()) != 1) return lost();
  busy_ = true;
  return true;
}

bool NotifyLink::wait(SteadyTime deadline) {
  const int unsent = PQflush(connection_.get());
  if (unsent < 0) return lost();
  pollfd fds[] = {{PQsocket(connection_.get()), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0}, {wake_fd_, POLLIN, 0}};
  poll(fds, 2, milliseconds_until(deadline));
  if (fds[1].revents != 0) take_wake_up();
  if ((fds[0].revents & ~POLLOUT) != 0 && PQconsumeInput(connection_.get()) != 1) return lost();
  return true;
}

void NotifyLink::sleep(SteadyTime deadline) {
  pollfd fd{wake_fd_, POLLIN, 0};
  if (poll(&fd, 1, milliseconds_until(deadline)) > 0) take_wake_up();
}

void NotifyLink::take_wake_up() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
}

std::optional<Notification> NotifyLink::next() {
  if (connection_ == nullptr) return std::nullopt;
  PGnotify* note = PQnotifies(connection_.get());
  if (note == nullptr) return std::nullopt;
  Notification out{note->relname, note->extra == nullptr ? "" : note->extra, note->be_pid};
  PQfreemem(note);
  return out;
}

std::optional<std::string> NotifyLink::take_end() {
  if (connection_ == nullptr || !busy_) return std::nullopt;
  while (PQisBusy(connection_.get()) == 0) {
    PGresult* result = PQgetResult(connection_.get());
    if (result == nullptr) {
      busy_ = false;
      return statement_error_;
    }
    const auto status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR && statement_error_.empty()) statement_error_ = one_line(PQresultErrorMessage(result));
    PQclear(result);
  }
  return std::nullopt;
}

}  // namespace howdah::pq
