#include "proxy/core/cancel.h"

#include <sys/epoll.h>

#include "drivers/net/socket.h"
#include "drivers/pgwire/startup.h"
#include "proxy/core/pool.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {
constexpr auto kGiveUp = std::chrono::seconds(5);
}

CancelRequest::CancelRequest(Worker& worker, std::shared_ptr<ServerConn> target)
    : worker_(worker), target_(std::move(target)), tls_(target_->pool().target().tls), timer_(*this) {
  if (target_->is_tls() && tls_.context != nullptr) upgrade_.emplace(tls_);
  pgwire::append_cancel_request(packet_, target_->backend_pid, target_->backend_key);
  ++target_->cancels_in_flight;
}

CancelRequest::~CancelRequest() {
  if (stream_.is_open()) worker_.reactor().remove(stream_.fd(), *this);
  if (--target_->cancels_in_flight == 0) target_->pool().on_cancels_done(*target_);
}

bool CancelRequest::start() {
  auto fd = net::start_connect(target_->pool().target().host, target_->pool().target().port);
  if (!fd) return false;
  stream_ = net::Stream(*fd);
  timer_.arm(worker_.reactor(), worker_.reactor().now() + kGiveUp);
  return worker_.reactor().add(stream_.fd(), *this);
}

void CancelRequest::on_io(std::uint32_t events) {
  if (upgrade_) {
    const auto step = upgrade_->step(stream_);
    if (!step) return worker_.end_cancel(*this);
    if (*step == TlsUpgrade::Step::kWait) return;
    upgrade_.reset();
    // In the clear where the connection itself is encrypted: somebody on the way took the server's answer.
    if (!stream_.is_tls()) return worker_.end_cancel(*this);
    events = EPOLLOUT;
  }
  if ((events & EPOLLOUT) != 0 && !packet_.empty()) {
    // A dozen bytes into an empty socket buffer: written whole, or the connection failed.
    const auto result = stream_.write(packet_);
    packet_.clear();
    if (result.status == net::IoStatus::kError) return worker_.end_cancel(*this);
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) worker_.end_cancel(*this);
}

void CancelRequest::on_timer() {
  // It may still arrive, whenever the server gets to it: by then the connection must not be another client's.
  target_->recycle = true;
  worker_.end_cancel(*this);
}

}  // namespace howdah::proxy
