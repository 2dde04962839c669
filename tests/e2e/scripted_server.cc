#include "tests/e2e/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/startup.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

bool send_all(int fd, const std::string& bytes) {
  return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool read_more(int fd, std::string& in) {
  char buffer[4096];
  const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
  if (got > 0) in.append(buffer, static_cast<std::size_t>(got));
  return got > 0;
}

std::string ready() {
  std::string out;
  pgwire::append_ready_for_query(out, pgwire::TxStatus::kIdle);
  return out;
}

}  // namespace

ScriptedServer::ScriptedServer(std::string key) : key_(std::move(key)) {
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listen_fd_, 16) != 0 ||
      getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  shutdown(listen_fd_, SHUT_RDWR);
  acceptor_.join();
  close(listen_fd_);
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  for (const int fd : open_) close(fd);
}

bool ScriptedServer::saw(const std::string& text) const {
  const std::lock_guard lock(mutex_);
  for (const auto& query : queries_) {
    if (query == text) return true;
  }
  return false;
}

std::string ScriptedServer::cancel_key() const {
  const std::lock_guard lock(mutex_);
  return cancel_key_;
}

void ScriptedServer::accept_all() {
  for (int fd; (fd = accept(listen_fd_, nullptr, nullptr)) >= 0 && !stopping_;) {
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void ScriptedServer::serve(int fd) {
  std::string in;
  pgwire::StartupRequest request;
  std::size_t consumed = 0;
  while (pgwire::next_startup(in, request, consumed) == pgwire::FrameStatus::kNeedMore) {
    if (!read_more(fd, in)) return;
  }
  if (request.kind == pgwire::StartupRequest::kCancel) {
    const std::lock_guard lock(mutex_);
    cancel_key_ = request.cancel_key;
    shutdown(fd, SHUT_RDWR);
    return;
  }
  in.erase(0, consumed);
  std::string out;
  pgwire::append_authentication_ok(out);
  pgwire::append_parameter_status(out, "server_version", "18.0");
  pgwire::append_parameter_status(out, "client_encoding", "UTF8");
  pgwire::append_parameter_status(out, "standard_conforming_strings", "on");
  pgwire::append_backend_key_data(out, 4711, key_);
  send_all(fd, out + ready());
  for (;;) {
    pgwire::Frame frame;
    const auto status = pgwire::next_frame(in, pgwire::kMaxServerLength, frame);
    if (status != pgwire::FrameStatus::kOk) {
      if (!read_more(fd, in)) return;
      continue;
    }
    pgwire::QueryMessage query;
    if (frame.type == pgwire::fe::kQuery && decode(frame.body, query)) answer(fd, std::string(query.sql));
    if (frame.type == pgwire::fe::kTerminate) return;
    in.erase(0, frame.whole.size());
  }
}

void ScriptedServer::answer(int fd, const std::string& sql) {
  {
    const std::lock_guard lock(mutex_);
    queries_.push_back(sql);
  }
  std::string out;
  if (sql.find("forever") != std::string::npos) {
    testing::wait_until([this] { return stopping_ || !cancel_key().empty(); }, std::chrono::seconds(20));
    pgwire::ErrorFields fields;
    fields.severity = fields.localized_severity = "ERROR";
    fields.sqlstate = "57014";
    fields.message = "canceling statement due to user request";
    pgwire::append_error(out, fields);
  } else {
    pgwire::append_text_row_description(out, {"value"});
    const std::optional<Bytes> row[] = {Bytes("1")};
    pgwire::append_data_row(out, row);
    pgwire::append_command_complete(out, "SELECT 1");
  }
  send_all(fd, out + ready());
}

}  // namespace howdah::e2e
