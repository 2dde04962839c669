// A session between two transactions on its way to another process, and back into life there.
#include <algorithm>
#include <cstring>

#include "proxy/core/listening.h"
#include "proxy/core/extended.h"
#include "proxy/core/login_proof.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/session_state.h"
#include "proxy/core/takeover.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

SettingsPtr settings_from(const std::vector<Settings::Entry>& entries) {
  SettingsPtr settings = Settings::none();
  for (const auto& entry : entries) settings = settings->with(entry.name, entry.statement, entry.value);
  return settings;
}

// With those that a server has told, where values in binary format may be read by them: see value_ids.cc.
const std::vector<Oid>& types_to_keep(const Statement& statement) {
  const auto& told = statement.described_types;
  const bool users = std::any_of(told.begin(), told.end(), [](Oid type) { return type >= schema::ObjectIds::kFirstUserOid; });
  return users && statement.sql_tail.empty() ? told : statement.types;
}

// What the new configuration does not know any more is forgotten: its shards are others.
HintsPtr hints_from(const std::vector<std::pair<std::string, std::string>>& values, const HintDomain& domain) {
  if (values.empty()) return nullptr;
  Hints hints;
  for (const auto& [name, value] : values) set_hint(hints, name, value, domain);
  return std::make_shared<const Hints>(std::move(hints));
}

// Iterations, both keys, salt.
std::string as_bytes(const std::optional<pgwire::ScramKeys>& keys) {
  std::string out;
  if (!keys) return out;
  append_be(out, static_cast<std::uint32_t>(keys->iterations));
  for (const auto* key : {&keys->client_key, &keys->server_key}) out.append(reinterpret_cast<const char*>(key->data()), key->size());
  return out + keys->salt;
}

std::optional<pgwire::ScramKeys> keys_from(const std::string& bytes) {
  pgwire::ScramKeys keys;
  std::size_t at = sizeof(std::uint32_t);
  if (bytes.size() <= at + 2 * keys.client_key.size()) return std::nullopt;
  keys.iterations = static_cast<int>(load_be<std::uint32_t>(bytes.data()));
  for (auto* key : {&keys.client_key, &keys.server_key}) {
    std::memcpy(key->data(), bytes.data() + at, key->size());
    at += key->size();
  }
  keys.salt = bytes.substr(at);
  return keys;
}

}  // namespace

void Session::hand_over() {
  if (closing_ || buried_ || draining_) return;
  if (is_admin_) {
    // A console shows its own process only: whoever looks should look at the new one.
    if (!task_.active()) fatal(make_error(ErrorCode::kShuttingDown, "another process has taken over", "connect again"));
    return wake();
  }
  draining_ = handing_over_ = true;
  wake();
}

// Nothing is owed, linked or open. What is left is the socket, and what the client has told and been told.
bool Session::freeze() {
  flush_client();
  if (!logged_in_ || is_admin_ || replication_ || closing_ || stream_.is_tls() || !out_.empty() || !unfinished_.empty()) return false;
  if (holds_cursors()) return false;  // WITH HOLD: their rows are here
  // Notifications would be lost on the way.
  if (listening_ && (!listening_->channels.empty() || !listening_->held.empty())) return false;
  SessionState state;
  state.user = user_name_;
  state.database = pools_->database->config().name;
  state.peer = peer_;
  state.pid = pid_;
  state.secret = cancel_key_;
  state.connected_us_ago = std::chrono::duration_cast<microseconds>(worker_.reactor().now() - connected_).count();
  state.default_search_path = pools_->default_search_path;
  state.scram_keys = as_bytes(pools_->by_server.front()->scram_keys);
  state.settings = settings_->entries();
  state.base_settings = base_settings_->entries();
  if (hints_ != nullptr) state.hints = hint_values(*hints_);
  if (login_hints_ != nullptr) state.login_hints = hint_values(*login_hints_);
  if (ext_) {
    for (const auto& [name, client] : ext_->named) {
      const Statement& statement = *client->statement;
      state.prepared.push_back({name, statement.text, types_to_keep(statement), statement.sql_tail});
    }
    if (ext_->unnamed) state.unnamed = {"", ext_->unnamed->text, types_to_keep(*ext_->unnamed), {}};
  }
  if (told_) state.reported.assign(told_->begin(), told_->end());
  state.input = in_.view();
  timer_.cancel();
  // The other process gets the same open socket: this event loop must not hear of it any more.
  worker_.reactor().remove(stream_.fd(), *this);
  frozen_ = buried_ = true;
  worker_.proxy().takeover().offer(worker_.handover(), worker_.index(), pid_, stream_.fd(), encode(state));
  return true;
}

void Session::handed_over() {
  if (!frozen_) return;
  closing_ = true;
  worker_.bury(*this);
}

void Session::keep() {
  draining_ = handing_over_ = false;
  if (!frozen_) return;
  frozen_ = buried_ = false;
  client_readable_ = true;
  if (!worker_.reactor().add(stream_.fd(), *this)) close();
  wake();
}

bool Session::restore(SessionState state) {
  const auto& config = worker_.config();
  LoginProof proof;
  proof.access = worker_.proxy().access().current();
  const auto user = proof.access->users.find(state.user);  // one that was looked up on a server is not known here
  const auto database = config->databases.find(state.database);
  if (user == proof.access->users.end() || database == config->databases.end() || state.secret.empty()) return false;
  proof.identity = user->second;
  proof.keys = keys_from(state.scram_keys);
  if (!worker_.add_session(*this, state.pid)) return false;
  pid_ = state.pid;
  cancel_key_ = std::move(state.secret);
  user_name_ = std::move(state.user);
  connected_ = request_at_ = worker_.reactor().now() - microseconds(state.connected_us_ago);
  pools_ = worker_.pools_for(database->second, proof.identity->user);
  if (!pools_->by_server.front()->scram_keys) arm_pools(*pools_, proof);
  if (pools_->default_search_path.empty()) pools_->default_search_path = std::move(state.default_search_path);
  if (std::any_of(pools_->replicas.begin(), pools_->replicas.end(), [](const auto& list) { return !list.empty(); })) {
    // What the client wrote or read before is not known here: as if it had been this moment.
    views_.resize(pools_->primaries.size());
    const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
    for (auto& view : views_) view.mark = now;
  }
  base_settings_ = worker_.intern_settings(settings_from(state.base_settings));
  const SettingsPtr settings = settings_from(state.settings);
  settings_ = settings->same(*base_settings_) ? base_settings_ : settings;
  hints_ = hints_from(state.hints, hint_domain());
  login_hints_ = hints_from(state.login_hints, hint_domain());
  for (auto& prepared : state.prepared) {
    ext();
    auto statement = prepared.sql_tail.empty()
                         ? worker_.statements.intern(prepared.text, prepared.types, statement_scope())
                         : worker_.statements.intern_sql(prepared.sql_tail, prepared.text, statement_scope());
    if (!prepared.sql_tail.empty()) {
      statement->types = std::move(prepared.types);
      statement->described = true;
    }
    ext().named.emplace(std::move(prepared.name), std::make_shared<ClientStatement>(ClientStatement{std::move(statement)}));
  }
  told_ = worker_.reported.intern(ReportedParams(state.reported.begin(), state.reported.end()));
  if (state.unnamed) ext().unnamed = StatementRegistry::make_unnamed(state.unnamed->text, std::move(state.unnamed->types));
  in_.append(state.input);
  logged_in_ = counted_ = true;
  worker_.proxy().clients().fetch_add(1);
  // It is a client already: counted, but never one too many.
  if (auto slot = worker_.proxy().client_counts().enter(user_name_, state.database, 0, 0)) slot_ = std::move(*slot);
  apply_limits();
  WorkerCounters::add(worker_.counters.clients, std::int64_t{1});
  frozen_ = buried_ = true;  // until begin_restored()
  return true;
}

void Session::begin_restored() {
  keep();
  if (worker_.handover() != 0) hand_over();  // a third process has come meanwhile
}

}  // namespace howdah::proxy
