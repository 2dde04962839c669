// TLS as PostgreSQL uses it, over OpenSSL: contexts for both roles, certificates' names and channel binding.
// https://www.postgresql.org/docs/15/ssl-tcp.html and https://www.postgresql.org/docs/15/libpq-ssl.html
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"

namespace howdah::net {

// Shared by connections of all threads; each connection keeps what it was begun with, so that a new one may take its
// place at any time.
using TlsContext = std::shared_ptr<SSL_CTX>;

enum class TlsVersion : std::uint8_t { k12, k13 };

// Toward clients.
struct TlsServerSettings {
  std::string cert;       // paths of PEM files; the chain begins with the server's own
  std::string key;
  std::string client_ca;  // empty: clients are not asked for certificates
  TlsVersion min_version = TlsVersion::k12;
};
// kConfig, saying which file cannot be used and why.
Result<TlsContext> make_tls_server(const TlsServerSettings& settings);

// Toward servers.
struct TlsClientSettings {
  std::string root_cert;  // a path; empty: the server's certificate is not verified
  std::string cert;       // paths of the client's own, or empty
  std::string key;
};
Result<TlsContext> make_tls_client(const TlsClientSettings& settings);

// The state of one connection, for Stream::start_tls. Null when there is no memory.
// `direct`: the client began with TLS and without SSLRequest; then it must offer ALPN's "postgresql".
SSL* accept_tls(SSL_CTX* context, bool direct);
// `name`: told to the server (unless it is an address), and with `verify_name` what its certificate must say.
SSL* connect_tls(SSL_CTX* context, const std::string& name, bool verify_name);

// The hash of a certificate that channel binding tls-server-end-point works with (RFC 5929); empty when its signature
// has no hash function, as with Ed25519.
std::string end_point_hash(const X509* certificate);
std::string own_end_point(const SSL* connection);   // the server's side
std::string peer_end_point(const SSL* connection);  // the client's side

// A client's certificate; it was verified during the handshake.
struct PeerName {
  std::string common_name;         // empty when there is none, or one with a zero byte
  std::string distinguished_name;  // RFC 2253, as in "CN=app,O=Example"
};
std::optional<PeerName> peer_name_of(const SSL* connection);

// Why the last handshake on this thread failed: the certificate's fault, or OpenSSL's own words.
std::string handshake_failure(const SSL* connection);

}  // namespace howdah::net
