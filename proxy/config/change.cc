#include "proxy/config/change.h"

#include <algorithm>
#include <array>

#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

struct Alias {
  const char* theirs;
  const char* ours;
};

// Those whose values are written alike: PgBouncer's times are seconds, and so are plain numbers here.
constexpr auto kAliases = std::to_array<Alias>({
    {"pool_mode", "pool.mode"},
    {"default_pool_size", "pool.size"},
    {"query_wait_timeout", "pool.wait_timeout"},
    {"server_connect_timeout", "pool.connect_timeout"},
    {"server_idle_timeout", "pool.idle_timeout"},
    {"server_lifetime", "pool.lifetime"},
    {"max_prepared_statements", "pool.prepared_statements"},
    {"max_client_conn", "limits.clients"},
    {"client_login_timeout", "limits.login_timeout"},
    {"client_idle_timeout", "limits.idle_timeout"},
    {"idle_transaction_timeout", "limits.idle_in_transaction_timeout"},
    {"max_packet_size", "limits.message_bytes"},
});

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// "${" would be replaced from the environment: the console's word is taken as it is.
std::string escaped(const std::string& value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '$' && i + 1 < value.size() && value[i + 1] == '{') out += '$';
    out += value[i];
  }
  return out;
}

// Sets `key` in `section` when it has it; nothing when it has not.
template <class T>
std::optional<Result<void>> set_in(const Section<T>& section, const std::string& prefix, const std::string& key,
                                   const std::string& value, T& out) {
  for (const auto& field : section) {
    if (prefix + field.name != key || !field.show) continue;
    if (field.effect == Effect::kRestart) {
      return make_error(ErrorCode::kUnsupported, key + " cannot be changed while the proxy runs",
                        "change it in the configuration file, and restart with --takeover: no client notices");
    }
    if (field.type == "secret") return make_error(ErrorCode::kUnsupported, key + " is a secret: change it in the file");
    Reader reader("SET");
    field.read(out, reader, Entry{key, field.name, 0, YAML::Node(escaped(value))});
    const auto faults = reader.take_faults();
    if (!faults.empty()) return make_error(ErrorCode::kInvalidValue, faults.front().message);
    return Result<void>();
  }
  return std::nullopt;
}

}  // namespace

std::string pgbouncer_name(const std::string& path) {
  for (const Alias& alias : kAliases) {
    if (path == alias.ours) return alias.theirs;
  }
  return "";
}

Result<ConfigPtr> change_setting(const Config& running, const std::string& key, const std::string& value) {
  std::string path = lower(key);
  for (const Alias& alias : kAliases) {
    if (path == alias.theirs) path = alias.ours;
  }
  auto changed = std::make_shared<Config>(running);
  std::optional<Result<void>> done;
  const auto attempt = [&](const auto& section, const char* prefix, auto& part) {
    if (!done) done = set_in(section, prefix, path, value, part);
  };
  attempt(top_section(), "", *changed);
  attempt(listen_section(), "listen.", changed->listen);
  attempt(http_section(), "http.", changed->http);
  attempt(pool_section(), "pool.", changed->pool);
  attempt(limits_section(), "limits.", changed->limits);
  attempt(restart_section(), "restart.", changed->restart);
  attempt(logging_section(), "logging.", changed->logging);
  for (auto& [name, database] : changed->databases) {
    const std::string prefix = "databases." + lower(name) + ".";
    attempt(database_section(), prefix.c_str(), database);
    attempt(breaker_section(), (prefix + "breaker.").c_str(), database.breaker);
  }
  if (!done) {
    return make_error(ErrorCode::kUndefinedSetting, "there is no setting \"" + key + "\"", "SHOW CONFIG lists them");
  }
  if (!*done) return done->error();
  return ConfigPtr(std::move(changed));
}

}  // namespace howdah::config
