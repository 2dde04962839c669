#include "tests/support/login_storm.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "drivers/net/reactor.h"
#include "drivers/net/socket.h"
#include "drivers/net/stream.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/scram.h"
#include "drivers/pgwire/startup.h"

namespace howdah::testing {

namespace {

std::string nonce() {
  static thread_local std::uint64_t count = 0;
  const std::string raw = "storm" + std::to_string(++count) + "0123456789012345678";
  return pgwire::scram_nonce(Bytes(raw).substr(0, 18));
}

// One connection: logs in, then hands every message on.
class Client final : public net::IoHandler {
 public:
  struct Hooks {
    std::function<void(Client&)> ready;                            // ReadyForQuery
    std::function<void(Client&, const std::string& reason)> gone;  // refused or broken off: destroy it
    std::optional<pgwire::ScramKeys>* keys = nullptr;
    bool check = true;  // that the server proves itself
  };
  Client(net::Reactor& reactor, const StormTarget& target, const Hooks& hooks)
      : reactor_(reactor), target_(target), hooks_(hooks) {}
  ~Client() {
    if (stream_.is_open()) reactor_.remove(stream_.fd(), *this);
  }

  bool start() {
    auto fd = net::start_connect("127.0.0.1", target_.port);
    if (!fd) return false;
    stream_ = net::Stream(*fd);
    return reactor_.add(stream_.fd(), *this);
  }
  void send(Bytes bytes) { stream_.write(bytes); }  // small, into an empty socket
  std::chrono::steady_clock::time_point sent;

  void on_io(std::uint32_t events) override {
    if (!started_ && (events & EPOLLOUT) != 0) {
      started_ = true;
      std::string packet;
      const std::pair<Bytes, Bytes> params[] = {{"user", target_.user}, {"database", target_.database}};
      pgwire::append_startup(packet, 0, params);
      send(packet);
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read();
  }

 private:
  void read() {
    char buffer[16384];
    for (;;) {
      const auto got = stream_.read(buffer, sizeof buffer);
      if (got.status == net::IoStatus::kWouldBlock) return;
      if (got.status != net::IoStatus::kOk) return hooks_.gone(*this, "closed by the peer");
      in_.append(buffer, got.count);
      pgwire::Frame frame;
      std::size_t used = 0;
      while (pgwire::next_frame(Bytes(in_).substr(used), pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
        used += frame.whole.size();
        if (frame.type == 'Z') {
          in_.erase(0, used);
          used = 0;
          return hooks_.ready(*this);  // may destroy us
        }
        if (frame.type == 'E') {
          pgwire::ErrorFields fields;
          decode(frame.body, fields);
          return hooks_.gone(*this, std::string(fields.sqlstate) + " " + std::string(fields.message));
        }
        if (frame.type == 'R' && !authenticate(frame.body)) return hooks_.gone(*this, "authentication failed");
      }
      in_.erase(0, used);
      if (got.count < sizeof buffer) return;
    }
  }

  bool authenticate(Bytes body) {
    pgwire::Authentication request;
    if (!decode(body, request)) return false;
    std::string reply;
    switch (request.kind) {
      case pgwire::AuthKind::kSasl: {
        pgwire::ScramClient::Settings settings;
        settings.password = target_.password;
        settings.nonce = nonce();
        settings.keys = *hooks_.keys;
        scram_.emplace(std::move(settings));
        pgwire::append_sasl_initial(reply, pgwire::kScramSha256, scram_->first());
        break;
      }
      case pgwire::AuthKind::kSaslContinue: {
        auto next = scram_->on_continue(request.payload);
        if (!next) return false;
        *hooks_.keys = scram_->keys();
        pgwire::append_sasl_response(reply, *next);
        break;
      }
      case pgwire::AuthKind::kSaslFinal:
        return static_cast<bool>(scram_->on_final(request.payload));
      case pgwire::AuthKind::kOk:
        return !hooks_.check || (scram_ && scram_->done());
      default:
        return false;
    }
    send(reply);
    return true;
  }

  net::Reactor& reactor_;
  const StormTarget& target_;
  const Hooks& hooks_;
  net::Stream stream_;
  std::string in_;
  std::optional<pgwire::ScramClient> scram_;
  bool started_ = false;
};

// Clients and their end; those that have ended go when no call of theirs is on the stack.
class Crowd final : public net::Runnable {
 public:
  explicit Crowd(net::Reactor& reactor) : reactor_(reactor) {}
  ~Crowd() { reactor_.dequeue(*this); }
  Client* add(const StormTarget& target, const Client::Hooks& hooks) {
    auto client = std::make_unique<Client>(reactor_, target, hooks);
    if (!client->start()) return nullptr;
    Client* raw = client.get();
    clients_.emplace(raw, std::move(client));
    return raw;
  }
  void remove(Client& client) {
    const auto at = clients_.find(&client);
    if (at == clients_.end()) return;
    dead_.push_back(std::move(at->second));
    clients_.erase(at);
    reactor_.enqueue(*this);
  }
  void run() override { dead_.clear(); }
  std::size_t size() const { return clients_.size(); }

 private:
  net::Reactor& reactor_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Client>> dead_;
};

class Every final : public net::TimerHandler {
 public:
  Every(net::Reactor& reactor, Duration interval, std::function<void()> call)
      : reactor_(reactor), interval_(interval), call_(std::move(call)), timer_(*this) {}
  void start() { timer_.arm(reactor_, reactor_.now() + interval_); }
  void on_timer() override {
    start();
    call_();
  }

 private:
  net::Reactor& reactor_;
  Duration interval_;
  std::function<void()> call_;
  net::Timer timer_;
};

constexpr auto kLeftOver = seconds(10);  // for logins under way when the time is over

}  // namespace

StormResult login_storm(const StormTarget& target, double rate, std::chrono::milliseconds length, bool real, std::size_t most) {
  net::Reactor reactor;
  reactor.refresh_now();
  StormResult result;
  std::optional<pgwire::ScramKeys> keys;
  Crowd crowd(reactor);
  std::string terminate;
  pgwire::append_terminate(terminate);
  const auto fail = [&](const std::string& reason) {
    if (result.failures++ == 0) result.first_failure = reason;
  };
  Client::Hooks hooks{.ready = [&](Client& client) {
                        ++result.logins;
                        client.send(terminate);
                        crowd.remove(client);
                      },
                      .gone = [&](Client& client, const std::string& reason) {
                        fail(reason);
                        crowd.remove(client);
                      },
                      .keys = &keys,
                      .check = real};
  const SteadyTime begun = reactor.now(), end = begun + length;
  std::uint64_t started = 0;
  Every tick(reactor, milliseconds(1), [&] {
    const SteadyTime now = reactor.now();
    if (now >= end) {
      if (crowd.size() == 0 || now >= end + kLeftOver) reactor.stop();
      return;
    }
    const auto due = static_cast<std::uint64_t>(rate * std::chrono::duration<double>(now - begun).count());
    for (; started < due; ++started) {
      if (crowd.size() < most && crowd.add(target, hooks) == nullptr) fail("no connection");
    }
  });
  tick.start();
  reactor.run();
  result.failures += crowd.size();
  if (crowd.size() > 0 && result.first_failure.empty()) result.first_failure = "not over in time";
  result.seconds = std::chrono::duration<double>(length).count();
  return result;
}

LoadResult run_load(const StormTarget& target, int clients, const std::string& sql, std::chrono::microseconds pause,
                    std::chrono::milliseconds length) {
  net::Reactor reactor;
  reactor.refresh_now();
  LoadResult result;
  std::optional<pgwire::ScramKeys> keys;
  Crowd crowd(reactor);
  std::string statement;
  pgwire::append_query(statement, sql);
  int ready = 0;
  SteadyTime end = SteadyTime::max();
  std::vector<std::pair<SteadyTime, Client*>> due;  // in order of time
  std::size_t next = 0;
  const auto ask = [&](Client& client) {
    client.sent = std::chrono::steady_clock::now();
    client.send(statement);
  };
  Client::Hooks hooks{.ready = [&](Client& client) {
                        const auto now = std::chrono::steady_clock::now();
                        if (client.sent == SteadyTime{}) {
                          client.sent = now;
                          // Spread over one pause, so that they do not all ask at once.
                          due.emplace_back(now + pause * ready / std::max(clients, 1), &client);
                          if (++ready == clients) end = now + length;
                          return;
                        }
                        if (end != SteadyTime::max()) {
                          result.milliseconds.push_back(std::chrono::duration<double, std::milli>(now - client.sent).count());
                        }
                        due.emplace_back(now + pause, &client);
                      },
                      .gone = [&](Client& client, const std::string&) {
                        ++result.errors;
                        due.erase(std::remove_if(due.begin() + static_cast<std::ptrdiff_t>(next), due.end(),
                                                 [&](const auto& entry) { return entry.second == &client; }), due.end());
                        crowd.remove(client);
                        if (crowd.size() == 0) reactor.stop();
                      },
                      .keys = &keys};
  const SteadyTime begun = reactor.now();
  Every tick(reactor, milliseconds(1), [&] {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end || (end == SteadyTime::max() && now > begun + seconds(60))) return reactor.stop();
    while (next < due.size() && due[next].first <= now) ask(*due[next++].second);
    if (next > 10'000) {
      due.erase(due.begin(), due.begin() + static_cast<std::ptrdiff_t>(next));
      next = 0;
    }
  });
  for (int i = 0; i < clients; ++i) crowd.add(target, hooks);
  tick.start();
  reactor.run();
  std::sort(result.milliseconds.begin(), result.milliseconds.end());
  return result;
}

double LoadResult::percentile(double p) const {
  if (milliseconds.empty()) return 0;
  const auto at = static_cast<std::size_t>(p / 100 * static_cast<double>(milliseconds.size()));
  return milliseconds[std::min(at, milliseconds.size() - 1)];
}

// --- the sink

class StormSink::Impl final : public net::IoHandler {
 public:
  Impl() {
    fd_ = net::listen_tcp("127.0.0.1", 0, 4096).value();
    reactor_.add_level_triggered(fd_, *this, EPOLLIN);
    thread_ = std::thread([this] {
      reactor_.refresh_now();
      reactor_.run();
    });
  }
  ~Impl() {
    reactor_.stop();
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return net::local_port(fd_); }

  void on_io(std::uint32_t) override {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    auto peer = std::make_unique<Peer>(*this, fd);
    reactor_.add(fd, *peer);
    peers_.push_back(std::move(peer));
    if (peers_.size() > 5000) std::erase_if(peers_, [](const auto& known) { return !known->open(); });
  }

 private:
  class Peer final : public net::IoHandler {
   public:
    Peer(Impl& sink, int fd) : sink_(sink), stream_(fd) { net::set_no_delay(fd); }
    bool open() const { return stream_.is_open(); }
    void on_io(std::uint32_t events) override {
      if ((events & ~EPOLLOUT) == 0 || !open()) return;
      char buffer[4096];
      const auto got = stream_.read(buffer, sizeof buffer);
      if (got.status == net::IoStatus::kWouldBlock) return;
      if (got.status != net::IoStatus::kOk || ++step_ > 3) return close();
      std::string reply;
      if (step_ == 1) {
        const Bytes mechanisms[] = {pgwire::kScramSha256};
        pgwire::append_authentication_sasl(reply, mechanisms);
      } else if (step_ == 2) {
        const Bytes in(buffer, got.count);
        const std::string theirs(in.substr(in.find("r=") + 2));
        pgwire::append_authentication_sasl_continue(reply, "r=" + theirs + "sink,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096");
      } else {
        pgwire::append_authentication_ok(reply);
        reply.append("Z\0\0\0\5I", 6);
      }
      stream_.write(reply);
      if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) close();
    }

   private:
    void close() {
      sink_.reactor_.remove(stream_.fd(), *this);
      stream_.close();
    }
    Impl& sink_;
    net::Stream stream_;
    int step_ = 0;
  };

  net::Reactor reactor_;
  int fd_ = -1;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::thread thread_;
};

StormSink::StormSink() : impl_(new Impl) {}
StormSink::~StormSink() { delete impl_; }
std::uint16_t StormSink::port() const { return impl_->port(); }

}  // namespace howdah::testing
