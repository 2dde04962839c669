#include "proxy/core/access_control.h"

#include <openssl/rand.h>

#include <algorithm>

#include "drivers/pgwire/md5.h"

namespace howdah::proxy {

namespace {

constexpr std::size_t kSecretSize = 32;

std::string random_secret() {
  std::string out(kSecretSize, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  return out;
}

std::string key_of(const config::ServerTls& tls) { return tls.root_cert + '\n' + tls.cert + '\n' + tls.key; }

// Whether the server's certificate is looked at: as libpq, also when a root certificate is given with `require`.
bool verifies(const config::ServerTls& tls) {
  return tls.mode >= config::SslMode::kVerifyCa || (tls.mode == config::SslMode::kRequire && !tls.root_cert.empty());
}

bool is_scram(const std::string& secret) { return pgwire::ScramVerifier::parse(secret).has_value(); }
bool is_md5(const std::string& secret) { return pgwire::is_md5_verifier(secret); }

}  // namespace

AccessControl::AccessControl() : random_secret_(random_secret()), current_(std::make_shared<AccessSnapshot>()) {}

AccessPtr AccessControl::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

void AccessControl::stop() {
  for (const auto& [database, lookup] : current()->lookups) lookup->stop();
}

IdentityPtr AccessControl::make_identity(config::User user, const AccessSnapshot& next, const AccessSnapshot& old) const {
  auto identity = std::make_shared<Identity>();
  identity->user = std::move(user);
  const std::string& secret = identity->user.password;
  if (secret.empty() || is_md5(secret)) return identity;
  identity->verifier = pgwire::ScramVerifier::parse(secret);
  if (identity->verifier) return identity;
  // The salt is the mock's: the same on every worker and for every login, as a stored verifier's is.
  const auto known = old.users.find(identity->user.name);
  const bool kept = known != old.users.end() && known->second->user.password == secret && old.mock_secret == next.mock_secret;
  identity->verifier = kept ? known->second->verifier
                            : pgwire::ScramVerifier::make(secret, pgwire::ScramVerifier::mock(identity->user.name, next.mock_secret).salt);
  return identity;
}

Result<void> AccessControl::apply(const config::Config& config) {
  const AccessPtr old = current();
  auto next = std::make_shared<AccessSnapshot>();
  next->mock_secret = config.hba.mock_secret.empty() ? random_secret_ : config.hba.mock_secret;
  if (auto read = read_certificates(config, *next); !read) return read.error();
  for (const auto& user : config.users) next->users.emplace(user.name, make_identity(user, *next, *old));
  choose_mocks(*next);
  for (const auto& [name, database] : config.databases) {
    if (database.auth_query.user.empty()) continue;
    config::Server server = database.shards.front().primary;
    if (server.dbname.empty()) server.dbname = name;
    // What is known stays known when nothing about it changed.
    const auto known = old->lookups.find(name);
    const bool same = known != old->lookups.end() && known->second->settings() == database.auth_query &&
                      known->second->server() == server && old->mock_secret == next->mock_secret;
    next->lookups[name] = same ? known->second
                               : std::make_shared<UserLookup>(database.auth_query, server, [this, secret = next->mock_secret](config::User user) {
                                   AccessSnapshot salts;
                                   salts.mock_secret = secret;
                                   auto identity = std::make_shared<Identity>(*make_identity(std::move(user), salts, AccessSnapshot()));
                                   identity->looked_up = true;
                                   return IdentityPtr(std::move(identity));
                                 }, [primaries = primaries_, name]() { return primaries ? primaries(name) : std::nullopt; });
  }
  std::lock_guard lock(mutex_);
  current_ = std::move(next);
  return {};
}

Result<void> AccessControl::check(const config::Config& config) {
  AccessSnapshot ignored;
  return read_certificates(config, ignored);
}

Result<void> AccessControl::read_certificates(const config::Config& config, AccessSnapshot& next) {
  const config::Tls& tls = config.listen.tls;
  if (tls.mode != config::TlsMode::kDisable) {
    const auto version = tls.min_version == config::TlsVersion::k13 ? net::TlsVersion::k13 : net::TlsVersion::k12;
    auto context = net::make_tls_server({tls.cert, tls.key, tls.client_ca, version});
    if (!context) return make_error(ErrorCode::kConfig, "listen.tls: " + context.error().message, "all must be PEM files, and cert and key belong together");
    next.client_tls = std::move(*context);
  }
  const auto read = [&](const config::Server& server) -> Result<void> {
    if (server.tls.mode == config::SslMode::kDisable || next.server_tls.contains(key_of(server.tls))) return {};
    auto context = net::make_tls_client({verifies(server.tls) ? server.tls.root_cert : "", server.tls.cert, server.tls.key});
    if (!context) return make_error(ErrorCode::kConfig, "server " + server.host + ":" + std::to_string(server.port) + ": " + context.error().message);
    next.server_tls.emplace(key_of(server.tls), std::move(*context));
    return {};
  };
  for (const auto& [name, database] : config.databases) {
    for (const auto& shard : database.shards) {
      if (auto done = read(shard.primary); !done) return done;
      for (const auto& replica : shard.replicas) {
        if (auto done = read(replica); !done) return done;
      }
    }
  }
  return {};
}

// Unknown users are asked as most users are.
void AccessControl::choose_mocks(AccessSnapshot& next) {
  std::map<int, std::size_t> iterations;
  std::size_t scram = 0, md5 = 0;
  for (const auto& [name, identity] : next.users) {
    const std::string& secret = identity->user.password;
    if (secret.empty()) continue;
    is_scram(secret) ? ++scram : ++md5;
    if (identity->verifier) ++iterations[identity->verifier->iterations];
  }
  next.mock_md5 = md5 > 0 && md5 >= scram;
  const auto most = std::max_element(iterations.begin(), iterations.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != iterations.end()) next.mock_iterations = most->first;
}

pgwire::ScramVerifier verifier_of(const AccessSnapshot& access, const Identity* identity, const std::string& name) {
  if (identity != nullptr && identity->verifier) return *identity->verifier;
  return pgwire::ScramVerifier::mock(name, access.mock_secret, access.mock_iterations);
}

std::string server_secret(const config::User& user) {
  if (!user.server_password.empty()) return user.server_password;
  return is_scram(user.password) ? "" : user.password;
}

ServerTlsTarget tls_target(const AccessSnapshot& access, const config::Server& server) {
  ServerTlsTarget target;
  // As libpq: a unix socket is never encrypted.
  if (server.tls.mode == config::SslMode::kDisable || server.host.starts_with('/')) return target;
  const auto found = access.server_tls.find(key_of(server.tls));
  if (found == access.server_tls.end()) return target;
  target.context = found->second;
  target.name = server.name.empty() ? server.host : server.name;
  target.must = server.tls.mode >= config::SslMode::kRequire;
  target.verify_name = server.tls.mode == config::SslMode::kVerifyFull;
  target.require_binding = server.tls.require_binding;
  return target;
}

}  // namespace howdah::proxy
