// A client that logs in by hand: over TCP or a unix socket, with or without TLS, by each method there is, rightly or
// wrongly. Blocking, with a limit on every wait.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "drivers/pgwire/scram.h"
#include "tests/e2e/raw_client.h"

namespace howdah::e2e_access {

using e2e::Message;

struct TlsWish {
  std::string cert;                       // of the client; empty: none
  std::string key;
  std::string alpn;                       // "postgresql"; empty: no ALPN
  int max_version = 0;                    // TLS1_2_VERSION and so on; 0: any
};

enum class Binding : std::uint8_t {
  kAuto,         // PLUS when it is offered, like libpq
  kNone,         // "n", without PLUS
  kPretendNone,  // "y" although PLUS was offered: what a client says after somebody took the offer away
  kWrong,        // PLUS with another certificate's hash
};

struct Try {
  std::string user = "app";
  std::string password = "app";
  std::string database = "app";
  Binding binding = Binding::kAuto;
};

class AccessClient {
 public:
  explicit AccessClient(std::uint16_t port);
  // The unix socket in this folder.
  AccessClient(const std::string& directory, std::uint16_t port);
  ~AccessClient();
  AccessClient(const AccessClient&) = delete;
  AccessClient& operator=(const AccessClient&) = delete;

  void send(Bytes bytes);
  // The next message; nothing at the end, or after half a minute of silence.
  std::optional<Message> next();
  // One byte outside of messages: the answer to SSLRequest.
  std::optional<char> next_byte();
  // All messages up to the end, as lines.
  std::vector<std::string> last_words();
  bool closed() const { return closed_; }

  // SSLRequest, and the handshake when the answer is S. False when there is no TLS afterwards.
  bool ask_tls(const TlsWish& wish = {});
  // The handshake alone. False when it failed; failure() says why.
  bool start_tls(const TlsWish& wish = {});
  const std::string& failure() const { return failure_; }
  SSL* ssl() const { return ssl_; }

  // Startup packet and the answers to all questions, up to ReadyForQuery or the end; as lines, those of the session's
  // parameters left out.
  std::vector<std::string> log_in(const Try& login = {});
  bool logged_in() const { return logged_in_; }
  // What the server said of the session.
  std::int32_t pid() const { return pid_; }
  const std::string& key() const { return key_; }
  const std::string& salt() const { return salt_; }  // of SCRAM, with the iterations: "s=...,i=4096"
  // A query's first value, or its SQLSTATE.
  std::string query(Bytes sql);

 private:
  bool read_more();
  std::string answer(const Message& message, const Try& login);
  std::string begin_scram(Bytes mechanisms, const Try& login);

  int fd_ = -1;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, SSL_CTX_free};
  SSL* ssl_ = nullptr;
  std::string in_;
  std::string failure_;
  std::optional<pgwire::ScramClient> scram_;
  bool closed_ = false;
  bool logged_in_ = false;
  std::int32_t pid_ = 0;
  std::string key_;
  std::string salt_;
};

// A startup packet.
std::string startup(const std::string& user, const std::string& database);

}  // namespace howdah::e2e_access
