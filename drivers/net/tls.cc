#include "drivers/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>

namespace howdah::net {

namespace {

constexpr unsigned char kAlpn[] = {10, 'p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l'};
int direct_marker;  // its address marks connections that began without SSLRequest

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : code == 0 ? "no reason given" : "error " + std::to_string(code);
  ERR_clear_error();
  return text;
}

Error unusable(const std::string& what, const std::string& path) {
  return make_error(ErrorCode::kConfig, what + " " + path + " cannot be used: " + openssl_reason());
}

// A key with a passphrase would otherwise ask on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

TlsContext make_context(const SSL_METHOD* method, TlsVersion min_version) {
  TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), min_version == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  return context;
}

Result<void> load_pair(SSL_CTX* context, const std::string& cert, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) return unusable("certificate", cert);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) return unusable("key", key);
  if (SSL_CTX_check_private_key(context) != 1) return unusable("key", key);
  return {};
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kAlpn, sizeof kAlpn, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Another protocol's client must not be taken for ours: without ALPN, only SSLRequest tells them apart.
int check_hello(SSL* connection, int* alert, void*) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  const bool direct = SSL_get_app_data(connection) == &direct_marker;
  if (direct && SSL_client_hello_get0_ext(connection, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &size) != 1) {
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 || inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

std::string written(X509_NAME* name) {
  std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  if (X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "";
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

std::string common_name(X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return "";
  std::string text(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text.find('\0') == std::string::npos ? text : "";
}

}  // namespace

Result<TlsContext> make_tls_server(const TlsServerSettings& settings) {
  TlsContext context = make_context(TLS_server_method(), settings.min_version);
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (auto loaded = load_pair(context.get(), settings.cert, settings.key); !loaded) return loaded.error();
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  SSL_CTX_set_client_hello_cb(context.get(), check_hello, nullptr);
  if (settings.client_ca.empty()) return context;
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(settings.client_ca.c_str());
  if (names == nullptr || SSL_CTX_load_verify_locations(context.get(), settings.client_ca.c_str(), nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return unusable("certificate authority", settings.client_ca);
  }
  SSL_CTX_set_client_CA_list(context.get(), names);
  // A client may come without a certificate, but not with one that does not verify.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, nullptr);
  return context;
}

Result<TlsContext> make_tls_client(const TlsClientSettings& settings) {
  TlsContext context = make_context(TLS_client_method(), TlsVersion::k12);
  if (!settings.cert.empty()) {
    if (auto loaded = load_pair(context.get(), settings.cert, settings.key); !loaded) return loaded.error();
  }
  if (settings.root_cert.empty()) return context;
  if (SSL_CTX_load_verify_locations(context.get(), settings.root_cert.c_str(), nullptr) != 1) {
    return unusable("root certificate", settings.root_cert);
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

SSL* accept_tls(SSL_CTX* context, bool direct) {
  SSL* connection = SSL_new(context);
  if (connection == nullptr) return nullptr;
  if (direct) SSL_set_app_data(connection, &direct_marker);
  SSL_set_accept_state(connection);
  return connection;
}

SSL* connect_tls(SSL_CTX* context, const std::string& name, bool verify_name) {
  SSL* connection = SSL_new(context);
  if (connection == nullptr) return nullptr;
  SSL_set_connect_state(connection);
  const bool address = is_address(name);
  if (!address) SSL_set_tlsext_host_name(connection, name.c_str());
  if (verify_name) {
    SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), name.c_str())
                            : SSL_set1_host(connection, name.c_str());
    if (set != 1) {
      SSL_free(connection);
      return nullptr;
    }
  }
  return connection;
}

std::string end_point_hash(const X509* certificate) {
  if (certificate == nullptr) return "";
  int digest_nid = NID_undef;
  if (X509_get_signature_info(const_cast<X509*>(certificate), &digest_nid, nullptr, nullptr, nullptr) != 1) return "";
  // RFC 5929: MD5 and SHA-1 are replaced.
  if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest_nid = NID_sha256;
  const EVP_MD* digest = EVP_get_digestbynid(digest_nid);
  if (digest == nullptr) return "";
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, digest, hash, &size) != 1) return "";
  return std::string(reinterpret_cast<char*>(hash), size);
}

std::string own_end_point(const SSL* connection) { return end_point_hash(SSL_get_certificate(connection)); }

std::string peer_end_point(const SSL* connection) { return end_point_hash(SSL_get0_peer_certificate(connection)); }

std::optional<PeerName> peer_name_of(const SSL* connection) {
  const X509* certificate = connection == nullptr ? nullptr : SSL_get0_peer_certificate(connection);
  if (certificate == nullptr || SSL_get_verify_result(connection) != X509_V_OK) return std::nullopt;
  X509_NAME* subject = X509_get_subject_name(certificate);
  return PeerName{common_name(subject), written(subject)};
}

std::string handshake_failure(const SSL* connection) {
  const long verified = SSL_get_verify_result(connection);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return X509_verify_cert_error_string(verified);
  }
  return openssl_reason();
}

}  // namespace howdah::net
