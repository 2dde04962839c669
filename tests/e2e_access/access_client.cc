#include "tests/e2e_access/access_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "drivers/net/tls.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/md5.h"
#include "drivers/pgwire/startup.h"
#include "tests/e2e/transcript.h"

namespace howdah::e2e_access {

namespace {

std::string reason() {
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  return text == nullptr ? "no reason" : text;
}

void limit_waits(int fd) {
  const timeval limit{30, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

}  // namespace

std::string startup(const std::string& user, const std::string& database) {
  std::string out;
  pgwire::append_startup(out, 0, std::vector<std::pair<Bytes, Bytes>>{{"user", user}, {"database", database}});
  return out;
}

AccessClient::AccessClient(std::uint16_t port) : fd_(pgwire::testing::WireConnection::connect_to(port)) { limit_waits(fd_); }

AccessClient::AccessClient(const std::string& directory, std::uint16_t port) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory + "/.s.PGSQL." + std::to_string(port);
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size() + 1, sizeof address.sun_path - 1));
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) closed_ = true;
  limit_waits(fd_);
}

AccessClient::~AccessClient() {
  if (ssl_ != nullptr) SSL_free(ssl_);
  close(fd_);
}

void AccessClient::send(Bytes bytes) {
  while (!bytes.empty()) {
    const auto size = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                      : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (size <= 0) return;  // the peer is gone: the next read says so
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
}

bool AccessClient::read_more() {
  char bytes[8192];
  ERR_clear_error();
  const auto got = ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes) : static_cast<int>(recv(fd_, bytes, sizeof bytes, 0));
  if (got > 0) {
    in_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  closed_ = got == 0 || errno == ECONNRESET || (ssl_ != nullptr && errno != EAGAIN);
  if (ssl_ != nullptr) failure_ = reason();
  return false;
}

std::optional<Message> AccessClient::next() {
  pgwire::Frame frame;
  while (pgwire::next_frame(in_, pgwire::kMaxServerLength, frame) != pgwire::FrameStatus::kOk) {
    if (!read_more()) return std::nullopt;
  }
  Message message{frame.type, std::string(frame.body)};
  in_.erase(0, frame.whole.size());
  return message;
}

std::optional<char> AccessClient::next_byte() {
  char byte = 0;
  if (recv(fd_, &byte, 1, 0) == 1) return byte;
  closed_ = true;
  return std::nullopt;
}

std::vector<std::string> AccessClient::last_words() {
  std::vector<std::string> lines;
  while (auto message = next()) lines.push_back(e2e::to_line(*message));
  if (!closed_) lines.push_back("silence");
  return lines;
}

bool AccessClient::ask_tls(const TlsWish& wish) {
  std::string request;
  pgwire::append_ssl_request(request);
  send(request);
  return next_byte() == 'S' && start_tls(wish);
}

bool AccessClient::start_tls(const TlsWish& wish) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!wish.cert.empty()) {
    SSL_CTX_use_certificate_chain_file(context_.get(), wish.cert.c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), wish.key.c_str(), SSL_FILETYPE_PEM);
  }
  if (wish.max_version != 0) SSL_CTX_set_max_proto_version(context_.get(), wish.max_version);
  ssl_ = SSL_new(context_.get());
  SSL_set_fd(ssl_, fd_);
  if (!wish.alpn.empty()) {
    const std::string list = static_cast<char>(wish.alpn.size()) + wish.alpn;
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(list.data()), static_cast<unsigned>(list.size()));
  }
  ERR_clear_error();
  if (SSL_connect(ssl_) == 1) return true;
  failure_ = reason();
  return false;
}

std::string AccessClient::begin_scram(Bytes mechanisms, const Try& login) {
  using Wire = pgwire::ScramClient::Binding;
  const bool offered = mechanisms.find(pgwire::kScramSha256Plus) != Bytes::npos;
  const bool plus = offered && (login.binding == Binding::kAuto || login.binding == Binding::kWrong);
  pgwire::ScramClient::Settings settings{.password = login.password, .nonce = pgwire::scram_nonce("eighteen random by")};
  settings.binding = plus ? Wire::kEndPoint : login.binding == Binding::kPretendNone ? Wire::kNotOffered : Wire::kNone;
  if (plus) settings.binding_data = login.binding == Binding::kWrong ? std::string(32, 'x') : net::peer_end_point(ssl_);
  scram_.emplace(std::move(settings));
  std::string out;
  pgwire::append_sasl_initial(out, plus ? pgwire::kScramSha256Plus : pgwire::kScramSha256, scram_->first());
  return out;
}

std::string AccessClient::answer(const Message& message, const Try& login) {
  std::string out;
  pgwire::Authentication request;
  if (!decode(message.body, request)) return out;
  switch (request.kind) {
    case pgwire::AuthKind::kCleartext:
      pgwire::append_password(out, login.password);
      break;
    case pgwire::AuthKind::kMd5:
      pgwire::append_password(out, pgwire::md5_password(login.user, login.password, request.md5_salt()));
      break;
    case pgwire::AuthKind::kSasl:
      return begin_scram(request.payload, login);
    case pgwire::AuthKind::kSaslContinue: {
      salt_ = std::string(request.payload.substr(request.payload.find(",s=") + 1));
      if (auto final_message = scram_->on_continue(request.payload)) pgwire::append_sasl_response(out, *final_message);
      break;
    }
    case pgwire::AuthKind::kSaslFinal:
      if (!scram_->on_final(request.payload)) failure_ = "the server did not prove itself";
      break;
    default:
      break;
  }
  return out;
}

std::vector<std::string> AccessClient::log_in(const Try& login) {
  send(startup(login.user, login.database));
  std::vector<std::string> lines;
  while (auto message = next()) {
    if (message->type == pgwire::be::kBackendKeyData) {
      pgwire::BackendKeyData data;
      if (decode(message->body, data)) pid_ = data.pid, key_ = data.key;
      continue;
    }
    if (message->type == pgwire::be::kParameterStatus) continue;
    lines.push_back(e2e::to_line(*message));
    if (message->type == pgwire::be::kErrorResponse) break;
    if (message->type == pgwire::be::kReadyForQuery) {
      logged_in_ = true;
      break;
    }
    if (message->type == pgwire::be::kAuthentication) send(answer(*message, login));
  }
  return lines;
}

std::string AccessClient::query(Bytes sql) {
  std::string out;
  pgwire::append_query(out, sql);
  send(out);
  std::string value;
  while (auto message = next()) {
    pgwire::DataRow row;
    pgwire::ErrorFields fields;
    if (message->type == pgwire::be::kDataRow && decode(message->body, row) && value.empty()) value = row.values.at(0).bytes;
    if (message->type == pgwire::be::kErrorResponse && decode(message->body, fields)) value = fields.sqlstate;
    if (message->type == pgwire::be::kReadyForQuery) break;
  }
  return value;
}

}  // namespace howdah::e2e_access
