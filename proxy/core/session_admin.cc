// Sessions of the admin console: commands run on the console's thread, this worker goes on meanwhile.
#include <memory>

#include "drivers/pgwire/backend.h"
#include "proxy/core/admin_protocol.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

Task<> Session::handle_admin(char type, Bytes body) {
  if (type == pgwire::fe::kTerminate) {
    close();
    co_return;
  }
  if (!admin_) admin_ = std::make_unique<AdminProtocol>();
  const std::optional<std::string> commands = admin_->on_message(type, body);
  if (commands) {
    std::string answer = co_await run_admin(*commands);
    if (closing_) co_return;
    admin_->on_result(std::move(answer));
  }
  send(admin_->take_output());
}

// The console's answer to a string of commands. This session may die before it comes: only its pid goes out.
Task<std::string> Session::run_admin(std::string commands) {
  struct Answer {
    bool there = false;
    std::string messages;
  };
  // Also when this coroutine is destroyed where it waits.
  struct Abandon {
    std::shared_ptr<std::atomic<bool>> flag = std::make_shared<std::atomic<bool>>(false);
    ~Abandon() { flag->store(true); }
  } abandon;
  AdminHook* console = worker_.proxy().admin();
  if (console == nullptr) {
    std::string messages;
    append_error_response(messages, make_error(ErrorCode::kUnsupported, "this proxy runs without its admin console"));
    pgwire::append_ready_for_query(messages, pgwire::TxStatus::kIdle);
    co_return messages;
  }
  flush_client();
  auto answer = std::make_shared<Answer>();
  const std::int32_t pid = pid_;
  cancel_ = false;
  AdminRequest request{std::move(commands), user_name_, abandon.flag, {}};
  request.done = [answer, pid, &worker = worker_](std::string messages) {
    worker.reactor().post([answer, pid, &worker, messages = std::move(messages)]() mutable {
      answer->there = true;
      answer->messages = std::move(messages);
      if (Session* session = worker.find_session(pid)) session->wake();
    });
  };
  console->submit(std::move(request));
  while (!answer->there && !closing_) {
    if (client_hung_up_) close();  // nobody is left to hear how it ended
    if (cancel_) abandon.flag->store(true);
    if (!closing_) co_await suspend();
  }
  co_return std::move(answer->messages);
}

}  // namespace howdah::proxy
