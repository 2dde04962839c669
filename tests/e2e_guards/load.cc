#include "tests/e2e_guards/load.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace howdah::e2e_guards {

namespace {

using Clock = std::chrono::steady_clock;

void raise_descriptors(int clients) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = static_cast<rlim_t>(clients) + 200;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) throw std::runtime_error("load: not enough descriptors");
}

}  // namespace

struct Load::Client {
  explicit Client(const std::string& url) : conn(url) {}
  testing::PgConn conn;
  std::size_t index = 0;
  bool warming = false;
  Clock::time_point due;
  std::string error;  // SQLSTATE of the statement under way
};

double LoadResult::latency(double share) {
  if (latencies.empty()) return 0;
  const auto at = latencies.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies.size() - 1));
  std::nth_element(latencies.begin(), at, latencies.end());
  return *at;
}

std::string LoadResult::to_string() {
  std::string out = "due=" + std::to_string(due) + " good=" + std::to_string(good) + " late=" + std::to_string(late) + " unsent=" + std::to_string(unsent) +
                    " goodput=" + std::to_string(goodput()) + " p50=" + std::to_string(latency(0.5)) + " p99=" + std::to_string(latency(0.99));
  for (const auto& [state, count] : errors) out += " " + state + "=" + std::to_string(count);
  return out;
}

Load::Load(const std::string& url, int clients) {
  raise_descriptors(clients);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<Client>(url));
    Client& client = *clients_.back();
    client.index = clients_.size() - 1;
    if (!client.conn.ok()) throw std::runtime_error("load: " + client.conn.error());
    PQsetnonblocking(client.conn.raw(), 1);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &client}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, PQsocket(client.conn.raw()), &event);
    free_.push_back(&client);
  }
}

Load::~Load() { close(epoll_); }

void Load::start(Client& client, const std::string& sql, Clock::time_point due) {
  client.due = due;
  client.error.clear();
  if (PQsendQuery(client.conn.raw(), sql.c_str()) != 1) throw std::runtime_error("load: " + client.conn.error());
}

// False: the answer is not complete yet.
bool Load::finish(Client& client, LoadResult& result, milliseconds deadline) {
  PGconn* conn = client.conn.raw();
  if (PQconsumeInput(conn) != 1) throw std::runtime_error("load: " + client.conn.error());
  while (PQisBusy(conn) == 0) {
    PGresult* part = PQgetResult(conn);
    if (part != nullptr) {
      const char* state = PQresultErrorField(part, PG_DIAG_SQLSTATE);
      if (state != nullptr) client.error = state;
      PQclear(part);
      continue;
    }
    const double took = std::chrono::duration<double, std::milli>(Clock::now() - client.due).count();
    if (!client.error.empty()) {
      ++result.errors[client.error];
    } else if (!std::exchange(client.warming, false)) {
      ++(took <= static_cast<double>(deadline.count()) ? result.good : result.late);
      result.latencies.push_back(took);
      ++result.per_client[client.index];
    }
    return true;
  }
  return false;
}

void Load::turn(LoadResult& result, milliseconds deadline, int patience, const std::string* again) {
  epoll_event events[256];
  const int count = epoll_wait(epoll_, events, 256, patience);
  for (int i = 0; i < count; ++i) {
    auto& client = *static_cast<Client*>(events[i].data.ptr);
    if (!finish(client, result, deadline)) continue;
    if (again != nullptr) {
      ++result.due;
      start(client, *again, Clock::now());
    } else {
      free_.push_back(&client);
    }
  }
}

// Waits for what is under way.
void Load::settle(LoadResult& result, milliseconds deadline) {
  while (free_.size() < clients_.size()) turn(result, deadline, 100, nullptr);
}

LoadResult Load::closed_loop(const std::string& sql, milliseconds duration) {
  LoadResult result;
  result.per_client.resize(clients_.size());
  const auto began = Clock::now();
  for (Client* client : std::exchange(free_, {})) {
    ++result.due;
    client->warming = true;
    start(*client, sql, Clock::now());
  }
  while (Clock::now() < began + duration) turn(result, milliseconds::max(), 10, &sql);
  result.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  LoadResult rest = result;  // what comes after the end is not in the rate
  settle(rest, milliseconds::max());
  for (auto& client : clients_) client->warming = false;
  for (const auto& [state, count] : rest.errors) result.errors[state] = count;
  return result;
}

LoadResult Load::open_loop(const std::string& sql, double per_second, milliseconds duration, milliseconds deadline) {
  LoadResult result;
  result.per_client.resize(clients_.size());
  const auto began = Clock::now();
  const std::chrono::duration<double> interval(1 / per_second);
  while (Clock::now() < began + duration) {
    for (;;) {
      const auto due = began + std::chrono::duration_cast<Clock::duration>(interval * static_cast<double>(result.due));
      if (due > Clock::now()) break;
      ++result.due;
      if (free_.empty()) {
        ++result.unsent;
        continue;
      }
      // In turn, so that no client is asked more often than others.
      Client* client = free_.front();
      free_.pop_front();
      start(*client, sql, due);
    }
    turn(result, deadline, 1, nullptr);
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  LoadResult rest = result;
  settle(rest, deadline);
  return result;
}

}  // namespace howdah::e2e_guards
