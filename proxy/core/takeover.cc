#include "proxy/core/takeover.h"

#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "drivers/net/thread_signals.h"
#include "proxy/core/gates.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/session_state.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kGenerations = 8;
constexpr auto kAnswerTimeout = std::chrono::seconds(10);
constexpr int kLookMs = 50;
constexpr int kQuietLooks = 3;  // a client that was accepted may not have reached its worker at the first

constexpr char kHello = 'H', kListeners = 'L', kReady = 'R', kSession = 'S', kAdopted = 'A', kRefused = 'N', kCancel = 'C',
               kResume = 'U', kBye = 'B';

std::string number(std::uint32_t value) {
  std::string out;
  append_be(out, value);
  return out;
}

std::uint32_t number_at(const std::string& body, std::size_t at) {
  return at + 4 <= body.size() ? load_be<std::uint32_t>(body.data() + at) : 0;
}

// Lists of names as text: one per line, an empty line ends a list. Names of databases have no line ends here.
void append_lines(std::string& out, const std::vector<std::string>& lines) {
  for (const auto& line : lines) {
    if (line.find('\n') == std::string::npos && !line.empty()) out += line + "\n";
  }
  out += "\n";
}

std::vector<std::string> take_lines(const std::string& body, std::size_t& at) {
  std::vector<std::string> lines;
  while (at < body.size()) {
    const auto end = std::min(body.find('\n', at), body.size());
    std::string line = body.substr(at, end - at);
    at = end + 1;
    if (line.empty()) break;
    lines.push_back(std::move(line));
  }
  return lines;
}

std::uint64_t inode_of(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

Takeover::Takeover(Proxy& proxy) : proxy_(proxy), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Takeover::~Takeover() {
  stop();
  for (const auto& [name, fd] : inherited_) close(fd);
  close(event_);
}

Result<bool> Takeover::ask(const std::string& path) {
  if (path.empty()) {
    return make_error(ErrorCode::kConfig, "--takeover needs restart.socket in the configuration",
                      "name a path there, and start the first process with it");
  }
  const int fd = connect_handover(path);
  if (fd < 0) {
    spdlog::info("takeover: no process listens on {}", path);
    return false;
  }
  auto link = std::make_unique<HandoverLink>(fd);
  link->send(kHello, number(kVersion) + number(static_cast<std::uint32_t>(getpid())));
  pollfd ready{fd, POLLIN, 0};
  HandoverPacket answer;
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kAnswerTimeout).count();
  if (poll(&ready, 1, static_cast<int>(patience)) != 1) {
    return make_error(ErrorCode::kConfig, "the running process does not answer on " + path,
                      "it stays as it is; end it first, then start without --takeover");
  }
  if (!link->receive(answer)) {
    // It ended meanwhile, or wants no successor: whoever holds the ports will say so.
    spdlog::warn("takeover: the process on {} gave nothing", path);
    return false;
  }
  if (answer.type != kListeners || number_at(answer.body, 0) != kVersion) {
    return make_error(ErrorCode::kConfig, "the running process cannot hand over to this version",
                      "end it first, then start without --takeover");
  }
  generation_ = (number_at(answer.body, 4) + 1) % kGenerations;
  std::size_t at = 8;
  const auto names = take_lines(answer.body, at);
  paused_ = take_lines(answer.body, at);
  disabled_ = take_lines(answer.body, at);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const int listener = answer.take_fd(i); listener >= 0) inherited_[names[i]] = listener;
  }
  predecessor_ = std::move(link);
  spdlog::info("takeover: got {} listening sockets generation={}", inherited_.size(), generation_);
  return true;
}

int Takeover::inherited(const std::string& name) {
  const auto found = inherited_.find(name);
  if (found == inherited_.end()) return -1;
  const int fd = found->second;
  inherited_.erase(found);
  return fd;
}

void Takeover::offer_listener(const std::string& name, int fd) {
  std::lock_guard lock(mutex_);
  listeners_[name] = fd;
}

Result<void> Takeover::start(const std::string& path) {
  for (const auto& [name, fd] : inherited_) close(fd);  // the configuration has them no more
  inherited_.clear();
  path_ = path;
  if (!path_.empty()) {
    if (auto listening = listen(); !listening) return listening;
  }
  if (path_.empty() && predecessor_ == nullptr) return {};
  if (predecessor_ != nullptr) {
    for (const auto& name : paused_) (void)pause(proxy_, name);
    for (const auto& name : disabled_) (void)set_disabled(proxy_, name, true);
    predecessor_->send(kReady, "");
  }
  thread_ = std::thread([this] {
    net::block_signals();
    pthread_setname_np(pthread_self(), "takeover");
    run();
  });
  return {};
}

Result<void> Takeover::listen() {
  auto fd = listen_handover(path_);
  if (!fd) return fd.error();
  listen_fd_ = *fd;
  listen_inode_ = inode_of(path_);
  return {};
}

// The name may be a successor's by now.
void Takeover::close_listener(bool remove_name) {
  if (listen_fd_ < 0) return;
  close(listen_fd_);
  listen_fd_ = -1;
  if (remove_name && inode_of(path_) == listen_inode_) unlink(path_.c_str());
}

void Takeover::stop() {
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] auto ignored = write(event_, &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  close_listener(true);
  if (predecessor_ != nullptr) predecessor_->send(kBye, "");
  predecessor_.reset();
  successor_.reset();
  strangers_.clear();
}

void Takeover::post(std::function<void()> call) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(call));
    if (posted_.size() > 1) return;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] auto ignored = write(event_, &one, sizeof one);
}

void Takeover::run() {
  while (!stopping_.load()) poll_once();
}

void Takeover::poll_once() {
  std::vector<pollfd> wanted{{event_, POLLIN, 0}};
  if (listen_fd_ >= 0) wanted.push_back({listen_fd_, POLLIN, 0});
  const auto add = [&](const HandoverLink& link) {
    wanted.push_back({link.fd(), static_cast<short>(POLLIN | (link.wants_to_write() ? POLLOUT : 0)), 0});
  };
  if (predecessor_) add(*predecessor_);
  if (successor_) add(*successor_);
  for (const auto& link : strangers_) add(*link);
  poll(wanted.data(), wanted.size(), away_.load() ? kLookMs : -1);
  std::uint64_t count;
  [[maybe_unused]] auto ignored = read(event_, &count, sizeof count);
  run_posted();
  for (auto* link : {predecessor_.get(), successor_.get()}) {
    if (link != nullptr) link->flush();
  }
  read_peers();
  if (listen_fd_ >= 0) on_connection();
  if (away_.load()) look_for_end();
}

void Takeover::run_posted() {
  std::vector<std::function<void()>> calls;
  {
    std::lock_guard lock(mutex_);
    calls.swap(posted_);
  }
  for (auto& call : calls) call();
}

void Takeover::on_connection() {
  const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  auto link = std::make_unique<HandoverLink>(fd);
  if (strangers_.size() < 4 && link->peer_is_trusted()) strangers_.push_back(std::move(link));
}

void Takeover::read_peers() {
  HandoverPacket packet;
  for (std::size_t i = strangers_.size(); i-- > 0;) {
    if (strangers_[i]->receive(packet)) {
      auto link = std::move(strangers_[i]);
      strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(i));
      if (packet.type == kHello) on_hello(std::move(link), packet);
    } else if (strangers_[i]->broken()) {
      strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (predecessor_ != nullptr) {
    while (predecessor_->receive(packet)) on_predecessor(packet);
    if (predecessor_->broken()) {
      spdlog::info("takeover: the process before this one is gone");
      predecessor_.reset();
    }
  }
  if (successor_ != nullptr) {
    while (successor_->receive(packet)) on_successor(packet);
    if (successor_->broken()) come_back();
  }
}

void Takeover::on_hello(std::unique_ptr<HandoverLink> link, const HandoverPacket& hello) {
  if (successor_ != nullptr || proxy_.draining()) {
    spdlog::warn("takeover: refused, {}", successor_ != nullptr ? "another process is taking over" : "this process ends");
    return;
  }
  const GateStates gates = gate_states(proxy_);
  std::vector<std::string> names;
  std::vector<int> fds;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, fd] : listeners_) {
      names.push_back(name);
      fds.push_back(fd);
    }
  }
  std::string body = number(kVersion) + number(generation_);
  append_lines(body, names);
  append_lines(body, gates.paused);
  append_lines(body, gates.disabled);
  successor_ = std::move(link);
  successor_ends_ = false;
  successor_->send(kListeners, std::move(body), std::move(fds));
  spdlog::info("takeover: process {} asks to take over, version {}", number_at(hello.body, 4), number_at(hello.body, 0));
}

void Takeover::on_successor(HandoverPacket& packet) {
  switch (packet.type) {
    case kReady:
      return go_away();
    case kAdopted:
    case kRefused: {
      const auto pid = static_cast<std::int32_t>(number_at(packet.body, 0));
      const auto found = pending_.find(pid);
      if (found == pending_.end()) return;
      Worker& worker = proxy_.worker(found->second);
      pending_.erase(found);
      worker.reactor().post([&worker, pid, adopted = packet.type == kAdopted] {
        Session* session = worker.find_session(pid);
        if (session != nullptr) adopted ? session->handed_over() : session->keep();
      });
      return;
    }
    case kCancel:
      if (packet.body.size() < 4) return;
      return proxy_.worker(0).route_cancel(static_cast<std::int32_t>(number_at(packet.body, 0)), packet.body.substr(4),
                                           Origin::kSuccessor);
    case kResume:
      if (auto resumed = resume(proxy_, packet.body); !resumed) spdlog::error("takeover: {}", resumed.error().message);
      return forward_resume(packet.body);
    case kBye:
      successor_ends_ = true;
      return;
    default:
      return;
  }
}

void Takeover::on_predecessor(HandoverPacket& packet) {
  if (packet.type == kSession) return adopt(packet);
  if (packet.type != kCancel || packet.body.size() < 4) return;
  proxy_.worker(0).route_cancel(static_cast<std::int32_t>(number_at(packet.body, 0)), packet.body.substr(4),
                                Origin::kPredecessor);
}

void Takeover::adopt(HandoverPacket& packet) {
  const std::uint32_t pid = number_at(packet.body, 0);
  auto state = decode_session_state(std::string_view(packet.body).substr(std::min<std::size_t>(4, packet.body.size())));
  const int fd = packet.take_fd(0);
  if (!state || fd < 0) {
    if (fd >= 0) close(fd);
    return predecessor_->send(kRefused, number(pid));
  }
  Worker& worker = proxy_.worker(worker_of(static_cast<std::int32_t>(pid)) % proxy_.worker_count());
  worker.reactor().post([this, &worker, fd, state = std::move(*state)] {
    const std::int32_t id = state.pid;
    const bool adopted = worker.adopt_session(fd, state);
    post([this, &worker, id, adopted] { answer_adoption(id, worker, adopted); });
  });
}

// The session is read only after the other process has been told: until then it may take the session back.
void Takeover::answer_adoption(std::int32_t pid, Worker& worker, bool adopted) {
  const auto begin = [this, &worker, pid](bool told) {
    // A process that lives, but cannot be told, serves the client itself.
    const bool ours = told || predecessor_ == nullptr || predecessor_->peer_has_ended(kAnswerTimeout);
    worker.reactor().post([&worker, pid, ours] {
      Session* session = worker.find_session(pid);
      if (session != nullptr) ours ? session->begin_restored() : session->handed_over();
    });
  };
  const std::string id = number(static_cast<std::uint32_t>(pid));
  if (!adopted) {
    if (predecessor_ != nullptr) predecessor_->send(kRefused, id);
  } else if (predecessor_ == nullptr) {
    begin(false);
  } else {
    predecessor_->send(kAdopted, id, {}, begin);
  }
}

void Takeover::offer(std::uint32_t handover, std::size_t worker, std::int32_t pid, int fd, std::string state) {
  post([this, handover, worker, pid, fd, state = std::move(state)] {
    // Of a handover that came to nothing: come_back() has seen to the session, or will.
    if (handover != handover_ || !away_.load() || successor_ == nullptr) return;
    pending_[pid] = worker;
    successor_->send(kSession, number(static_cast<std::uint32_t>(pid)) + state, {fd});
  });
}

void Takeover::forward_cancel(std::int32_t pid, const std::string& key, Origin from) {
  post([this, pid, key, from] {
    const std::string body = number(static_cast<std::uint32_t>(pid)) + key;
    if (from != Origin::kPredecessor && predecessor_ != nullptr) predecessor_->send(kCancel, body);
    if (from != Origin::kSuccessor && successor_ != nullptr && away_.load()) successor_->send(kCancel, body);
  });
}

void Takeover::forward_resume(const std::string& database) {
  post([this, database] {
    if (predecessor_ != nullptr) predecessor_->send(kResume, database);
  });
}

void Takeover::go_away() {
  if (away_.exchange(true)) return;
  const auto limit = proxy_.config()->restart.drain_timeout;
  deadline_ = limit.count() > 0 ? std::chrono::steady_clock::now() + limit : SteadyTime::max();
  spdlog::info("takeover: another process serves from here on, clients={}", proxy_.clients().load());
  close_listener(false);
  proxy_.stop_accepting();
  if (proxy_.admin() != nullptr) proxy_.admin()->on_handover(true);
  ++handover_;
  for (std::size_t i = 0; i < proxy_.worker_count(); ++i) {
    Worker& worker = proxy_.worker(i);
    worker.reactor().post([&worker, handover = handover_] { worker.begin_handover(handover); });
  }
}

// The successor is gone: what it had not adopted is ours, and so are the listening sockets again.
void Takeover::come_back() {
  successor_.reset();
  pending_.clear();
  if (!away_.load()) return;
  for (std::size_t i = 0; i < proxy_.worker_count(); ++i) {
    Worker& worker = proxy_.worker(i);
    worker.reactor().post([&worker] { worker.end_handover(); });
  }
  if (successor_ends_) {
    spdlog::info("takeover: the process after this one ends, so does this one");
    if (!std::exchange(end_asked_, true)) kill(getpid(), SIGTERM);
    return;
  }
  spdlog::error("takeover: the process after this one is gone without a word; serving again");
  away_.store(false);
  quiet_looks_ = 0;
  proxy_.start_accepting();
  if (proxy_.admin() != nullptr) proxy_.admin()->on_handover(false);
  if (auto listening = listen(); !listening) spdlog::error("{}", listening.error().message);
}

void Takeover::look_for_end() {
  if (end_asked_) return;
  const bool late = std::chrono::steady_clock::now() >= deadline_;
  // A predecessor's cancel requests come through here: this process outlives it.
  quiet_looks_ = proxy_.sessions() == 0 && predecessor_ == nullptr ? quiet_looks_ + 1 : 0;
  if (!late && quiet_looks_ < kQuietLooks) return;
  spdlog::info("takeover: {}", late ? "restart.drain_timeout has passed" : "all clients are with the new process");
  end_asked_ = true;
  kill(getpid(), SIGTERM);  // the main thread's work, as any end is
}

}  // namespace howdah::proxy
