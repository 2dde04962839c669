#include "tests/e2e/raw_client.h"

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/scram.h"
#include "drivers/pgwire/startup.h"

namespace howdah::e2e {

std::vector<Message> RawClient::log_in(const Login& login) {
  std::vector<std::pair<Bytes, Bytes>> params = {{"user", login.user}, {"database", login.database}};
  for (const auto& [name, value] : login.params) params.emplace_back(name, value);
  std::string out;
  pgwire::append_startup(out, login.minor, params);
  pgwire::ScramClient scram({.password = login.password, .nonce = pgwire::scram_nonce("eighteen random by")});
  std::vector<Message> seen;
  for (;;) {
    send(std::exchange(out, {}));
    auto message = next();
    if (!message) return seen;
    seen.push_back(*message);
    if (message->type == pgwire::be::kErrorResponse) return seen;
    if (message->type == pgwire::be::kReadyForQuery) {
      logged_in_ = true;
      return seen;
    }
    if (pgwire::BackendKeyData data;
        message->type == pgwire::be::kBackendKeyData && decode(message->body, data)) {
      pid_ = data.pid;
      key_ = data.key;
    }
    pgwire::Authentication request;
    if (message->type != pgwire::be::kAuthentication || !decode(message->body, request)) continue;
    if (request.kind == pgwire::AuthKind::kSasl)
      pgwire::append_sasl_initial(out, pgwire::kScramSha256, scram.first());
    if (request.kind == pgwire::AuthKind::kSaslContinue) {
      const auto answer = scram.on_continue(request.payload);
      if (!answer) return seen;
      pgwire::append_sasl_response(out, *answer);
    }
    if (request.kind == pgwire::AuthKind::kSaslFinal && !scram.on_final(request.payload)) return seen;
  }
}

std::vector<Message> RawClient::until(char type, int count) {
  std::vector<Message> messages;
  while (count > 0) {
    auto message = next();
    if (!message) break;
    if (message->type == type) --count;
    messages.push_back(std::move(*message));
  }
  return messages;
}

std::vector<Message> RawClient::until_closed() {
  std::vector<Message> messages;
  while (auto message = next()) messages.push_back(std::move(*message));
  return messages;
}

std::vector<Message> RawClient::query(Bytes sql) {
  std::string out;
  pgwire::append_query(out, sql);
  send(out);
  return until(pgwire::be::kReadyForQuery);
}

std::optional<char> RawClient::next_byte() {
  char byte = 0;
  if (recv(fd_, &byte, 1, 0) != 1) return std::nullopt;
  return byte;
}

void RawClient::abort_on_close() {
  const linger reset{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

std::string first_sqlstate(const std::vector<Message>& messages) {
  for (const auto& message : messages) {
    pgwire::ErrorFields fields;
    if (message.type == pgwire::be::kErrorResponse && decode(message.body, fields))
      return std::string(fields.sqlstate);
  }
  return "";
}

}  // namespace howdah::e2e
