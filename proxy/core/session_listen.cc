// LISTEN, UNLISTEN and the notifications of a client that shares a listener with others.
// https://www.postgresql.org/docs/15/sql-listen.html, sql-notify.html
#include <algorithm>

#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/listening.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

using sharding::sql::Verb;

namespace {

constexpr std::size_t kNameLength = 63;

// As PostgreSQL cuts identifiers: at a character's boundary.
std::string clipped(std::string name) {
  if (name.size() <= kNameLength) return name;
  std::size_t end = kNameLength;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  name.resize(end);
  return name;
}

}  // namespace

bool Session::shares_listener() const {
  return worker_.config()->pool.mode == config::PoolMode::kTransaction && !pools_->database->config().control.user.empty();
}

Task<bool> Session::run_listen(const Plan& plan) {
  // The listener's connection, for SHOW howdah.route.
  route_server_ = pools_->primaries[0].value();
  route_mask_ = 1;
  route_reason_ = "shared listener";
  const bool listen = plan.verb == Verb::kListen;
  if (!listening_) {
    if (!listen) {
      answer("UNLISTEN");
      co_return true;
    }
    listening_ = std::make_unique<Listening>();
  }
  const auto* encoding = settings_->find("client_encoding");
  if (listen && encoding != nullptr && !keeps_routes("client_encoding", encoding->value)) {
    co_return fail_statement(make_error(ErrorCode::kUnsupported, "LISTEN is not supported with client_encoding " + encoding->value,
                                        "use UTF8", "payloads reach all listeners in one encoding"));
  }
  listening_->actions.push_back({listen, clipped(plan.name)});
  // Outside of a block it takes effect before the answer says so.
  if (!tx_.explicit_block() && !co_await prepare_listens()) {
    if (!closing_) {
      listening_->actions.pop_back();
      statement_failed_ = true;
    }
    co_return false;
  }
  answer(listen ? "LISTEN" : "UNLISTEN");
  co_return true;
}

// Asks for the channels that the transaction will listen to: what others commit after it has committed must not be missed.
// False: the client has been told why not.
Task<bool> Session::prepare_listens() {
  std::vector<std::string> wanted;
  for (const auto& action : listening_->actions) {
    if (!action.listen || listening_->channels.contains(action.channel) || listening_->tentative.contains(action.channel)) continue;
    if (std::find(wanted.begin(), wanted.end(), action.channel) == wanted.end()) wanted.push_back(action.channel);
  }
  if (wanted.empty()) co_return true;
  co_return co_await start_listening(wanted);
}

Task<bool> Session::start_listening(const std::vector<std::string>& channels) {
  Listening& own = *listening_;
  own.answered = false;
  own.error.reset();
  worker_.listeners.listen(*this, pools_->database->config().name, channels);
  while (!own.answered && !closing_) co_await suspend();
  if (closing_) co_return false;
  if (own.error) {
    fail_statement(*own.error);
    co_return false;
  }
  own.tentative.insert(channels.begin(), channels.end());
  co_return true;
}

// The transaction has ended: its LISTENs and UNLISTENs hold, or never were.
void Session::finish_listens(bool committed) {
  Listening& own = *listening_;
  if (own.actions.empty() && own.tentative.empty()) return;
  std::set<std::string> asked = own.channels;
  asked.merge(own.tentative);
  own.tentative.clear();
  if (committed) {
    for (const auto& action : own.actions) {
      if (action.listen) {
        own.channels.insert(action.channel);
      } else if (action.channel.empty()) {
        own.channels.clear();
      } else {
        own.channels.erase(action.channel);
      }
    }
  }
  own.actions.clear();
  std::vector<std::string> over;
  std::set_difference(asked.begin(), asked.end(), own.channels.begin(), own.channels.end(), std::back_inserter(over));
  if (!over.empty()) worker_.listeners.unlisten(*this, pools_->database->config().name, over);
  std::erase_if(own.held, [&](const auto& held) { return !own.channels.contains(held.channel); });
}

// The end of a string, or of a group of the extended protocol.
void Session::finish_statement_listens(bool failed) {
  if (!tx_.explicit_block()) finish_listens(!failed);
}

void Session::stop_listening() {
  if (!listening_) return;
  listening_->actions.clear();
  listening_->actions.push_back({false, {}});
  finish_listens(true);
}

void Session::on_listener(const Error* error) {
  listening_->answered = true;
  if (error != nullptr) listening_->error = std::make_unique<Error>(*error);
  wake();
}

void Session::on_notification(const std::string& channel, Bytes message) {
  if (closing_ || buried_) return;
  Listening& own = *listening_;
  own.held.push_back({channel, std::string(message)});
  own.held_bytes += message.size();
  if (own.held_bytes + out_.size() > Listening::kMostHeld) {
    return kill(make_error(ErrorCode::kTooComplex, "too many notifications that the client did not take",
                           "end transactions, and read from the connection"));
  }
  if (task_.active()) return;  // at the end of its statement
  hand_out_notifications();
  flush_client();
}

// Only between two transactions, as PostgreSQL does.
void Session::hand_out_notifications() {
  Listening& own = *listening_;
  if (own.held.empty() || tx_.active() || (ext_ && ext_->active) || !own.tentative.empty()) return;
  for (const auto& held : own.held) send(held.message);
  own.held.clear();
  own.held_bytes = 0;
}

// Before a transaction that notifies commits on `conn`: those who listen are shown this client's number, not the server
// process's, by which it knows its own notifications. True: settle_notify() is to follow.
bool Session::claim_notify(ServerConn& conn) {
  if (!shares_listener() || !worker_.listeners.active(pools_->database->config().name)) return false;
  if (!notes_) notes_ = std::make_unique<StateNotes>();
  notes_->notifier = &conn;
  worker_.listeners.claim(pools_->database->config().name, conn.backend_pid, pid_);
  return true;
}

void Session::unclaim_notify(ServerConn& conn) {
  notes_->notifier = nullptr;
  worker_.listeners.unclaim(pools_->database->config().name, conn.backend_pid);
}

// After it: the notifications have been handed out, and the client's own come before its ReadyForQuery.
Task<> Session::settle_notify(ServerConn& conn) {
  if (!listening_) listening_ = std::make_unique<Listening>();
  listening_->answered = false;
  worker_.listeners.fence(*this, pools_->database->config().name);
  while (!listening_->answered && !closing_) co_await suspend();
  listening_->error.reset();
  if (notes_ && notes_->notifier == &conn) unclaim_notify(conn);
}

}  // namespace howdah::proxy
