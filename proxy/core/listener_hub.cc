#include "proxy/core/listener_hub.h"

#include <openssl/rand.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "drivers/net/thread_signals.h"

namespace howdah::proxy {

namespace {

constexpr auto kConnectLimit = std::chrono::seconds(5);
constexpr auto kRequestLimit = std::chrono::seconds(10);
constexpr auto kRetry = std::chrono::milliseconds(250);
constexpr auto kIdle = std::chrono::seconds(60);

SteadyTime now() { return std::chrono::steady_clock::now(); }

std::string random_channel() {
  unsigned char random[16];
  RAND_bytes(random, sizeof random);
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "howdah_";
  for (const unsigned char c : random) {
    out += digits[c >> 4];
    out += digits[c & 15];
  }
  return out;
}

}  // namespace

ListenerHub::ListenerHub(std::string database, Callbacks callbacks)
    : database_(std::move(database)), callbacks_(std::move(callbacks)), own_channel_(random_channel()),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), link_(wake_fd_, stop_) {}

ListenerHub::~ListenerHub() {
  stop();
  close(wake_fd_);
}

void ListenerHub::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
}

void ListenerHub::stop() {
  stop_.store(true);
  wake();
  if (thread_.joinable()) thread_.join();
}

void ListenerHub::add(Request request) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& channel : request.channels) ++channels_[channel][request.worker];
    active_.store(!channels_.empty(), std::memory_order_release);
    requests_.push_back(std::move(request));
    if (!started_) {
      started_ = true;
      thread_ = std::thread([this] {
        net::block_signals();
        run();
      });
    }
  }
  wake();
}

void ListenerHub::listen(std::size_t worker, std::uint64_t id, std::vector<std::string> channels) {
  add({worker, id, std::move(channels), now() + kRequestLimit});
}

void ListenerHub::fence(std::size_t worker, std::uint64_t id) { add({worker, id, {}, now() + kRequestLimit}); }

void ListenerHub::unlisten(std::size_t worker, const std::vector<std::string>& channels) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& channel : channels) {
      const auto found = channels_.find(channel);
      if (found == channels_.end()) continue;
      const auto count = found->second.find(worker);
      if (count == found->second.end()) continue;
      if (--count->second == 0) found->second.erase(count);
      if (!found->second.empty()) continue;
      channels_.erase(found);
      dropped_.push_back(channel);
    }
    active_.store(!channels_.empty(), std::memory_order_release);
  }
  wake();
}

void ListenerHub::claim(std::int32_t backend, std::int32_t client) {
  std::lock_guard lock(mutex_);
  claims_[backend] = client;
}

void ListenerHub::unclaim(std::int32_t backend) {
  std::lock_guard lock(mutex_);
  claims_.erase(backend);
}

void ListenerHub::look_again() {
  look_again_.store(true);
  wake();
}

bool ListenerHub::wanted() {
  std::lock_guard lock(mutex_);
  return !channels_.empty() || !requests_.empty();
}

void ListenerHub::run() {
  while (!stop_.load()) {
    if (look_again_.exchange(false) && link_.is_open() && callbacks_.params() != opened_with_) lost();
    if (!link_.is_open() && wanted() && now() >= retry_at_ && !open()) retry_at_ = now() + kRetry;
    if (stop_.load()) break;
    refuse_late();
    if (!link_.is_open()) {
      link_.sleep(wanted() ? std::max(retry_at_, now()) : now() + kIdle);
      continue;
    }
    if (!batch_out_ && !link_.busy()) start_batch();
    if (link_.is_open() && !link_.wait(batch_out_ ? batch_deadline_ : now() + kIdle)) lost();
    take_in();
    if (batch_out_ && now() >= batch_deadline_) lost();  // a server that does not answer is as good as gone
    if (link_.is_open() && !batch_out_ && !wanted()) {
      link_.close();  // nobody listens: nothing is lost
      had_channels_ = false;
    }
  }
  link_.close();
}

bool ListenerHub::open() {
  opened_with_ = callbacks_.params();
  if (!link_.connect(opened_with_, now() + kConnectLimit)) {
    if (!link_.error().empty()) spdlog::warn("listener database={} cannot connect: {}", database_, link_.error());
    return false;
  }
  std::string sql = "LISTEN " + pq::quote_identifier(own_channel_);
  std::vector<std::pair<std::string, std::size_t>> told;
  {
    std::lock_guard lock(mutex_);
    dropped_.clear();
    for (const auto& [channel, workers] : channels_) {
      sql += ";LISTEN " + pq::quote_identifier(channel);
      for (const auto& [worker, clients] : workers) told.emplace_back(channel, worker);
    }
  }
  if (!link_.send(sql)) return false;
  const auto deadline = now() + kConnectLimit;
  std::optional<std::string> end;
  while (!(end = link_.take_end())) {
    if (now() >= deadline || stop_.load() || !link_.wait(deadline)) {
      link_.close();
      return false;
    }
  }
  if (!end->empty()) {
    spdlog::warn("listener database={} cannot listen: {}", database_, *end);
    link_.close();
    return false;
  }
  spdlog::info("listener database={} connected channels={}", database_, told.size());
  if (had_channels_) {
    for (const auto& [channel, worker] : told) callbacks_.gap(worker, channel);
  }
  had_channels_ = false;
  wake();  // for what was asked meanwhile
  return true;
}

// Everything asked for so far, in one transaction that ends with the notification that answers it.
void ListenerHub::start_batch() {
  std::string sql;
  {
    std::lock_guard lock(mutex_);
    if (requests_.empty() && dropped_.empty()) return;
    batch_.swap(requests_);
    for (const auto& channel : dropped_) {
      if (!channels_.contains(channel)) sql += "UNLISTEN " + pq::quote_identifier(channel) + ";";
    }
    dropped_.clear();
  }
  for (const auto& request : batch_) {
    for (const auto& channel : request.channels) sql += "LISTEN " + pq::quote_identifier(channel) + ";";
  }
  sql += "NOTIFY " + pq::quote_identifier(own_channel_) + ", '" + std::to_string(++batch_number_) + "'";
  batch_out_ = true;
  batch_deadline_ = now() + kRequestLimit;
  if (!link_.send(sql)) lost();
}

void ListenerHub::take_in() {
  // First, because libpq reads no further than to a result that nobody has taken.
  const auto end = link_.take_end();
  while (auto notification = link_.next()) {
    if (notification->channel != own_channel_) {
      deliver(std::move(*notification));
    } else if (batch_out_ && notification->payload == std::to_string(batch_number_)) {
      end_batch({});
    }
  }
  if (end && !end->empty() && batch_out_) end_batch(*end);
}

void ListenerHub::end_batch(const std::string& error) {
  batch_out_ = false;
  std::vector<Request> batch;
  batch.swap(batch_);
  const Error refused = make_error(ErrorCode::kServerUnavailable, "the server refused to listen", "", error);
  for (const auto& request : batch) {
    const bool failed = !error.empty() && !request.channels.empty();
    if (failed) unlisten(request.worker, request.channels);
    callbacks_.answer(request.worker, request.id, failed ? &refused : nullptr);
  }
  wake();  // more may have been asked for meanwhile
}

void ListenerHub::lost() {
  spdlog::warn("listener database={} connection lost: {}", database_, link_.error());
  link_.close();
  {
    std::lock_guard lock(mutex_);
    had_channels_ = had_channels_ || !channels_.empty();
    // To be asked again.
    requests_.insert(requests_.begin(), std::make_move_iterator(batch_.begin()), std::make_move_iterator(batch_.end()));
  }
  batch_.clear();
  batch_out_ = false;
  retry_at_ = now();
}

// Without a connection a fence holds nothing back, and whoever wants to listen hears at last that it cannot be done.
void ListenerHub::refuse_late() {
  std::vector<Request> late;
  {
    std::lock_guard lock(mutex_);
    const auto first = std::stable_partition(requests_.begin(), requests_.end(), [&](const Request& request) {
      return link_.is_open() || (!request.channels.empty() && now() < request.deadline);
    });
    late.assign(std::make_move_iterator(first), std::make_move_iterator(requests_.end()));
    requests_.erase(first, requests_.end());
  }
  const Error error = make_error(ErrorCode::kServerUnavailable, "the server cannot be reached to listen", "", link_.error());
  for (const auto& request : late) {
    if (!request.channels.empty()) unlisten(request.worker, request.channels);
    callbacks_.answer(request.worker, request.id, request.channels.empty() ? nullptr : &error);
  }
}

void ListenerHub::deliver(pq::Notification notification) {
  std::vector<std::size_t> workers;
  {
    std::lock_guard lock(mutex_);
    if (const auto claimed = claims_.find(notification.pid); claimed != claims_.end()) notification.pid = claimed->second;
    if (const auto found = channels_.find(notification.channel); found != channels_.end()) {
      for (const auto& [worker, clients] : found->second) workers.push_back(worker);
    }
  }
  for (const std::size_t worker : workers) callbacks_.deliver(worker, notification);
}

}  // namespace howdah::proxy
