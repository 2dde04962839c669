// A client's prepared statements and portals, and what servers know of them. Whatever is noted when a message is sent
// or answered by the proxy is undone when the server skips that message.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/statement_scope.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using Kind = Extended::Effect::Kind;
using pgwire::OwedKind;

Extended& Session::ext() {
  if (!ext_) {
    ext_ = std::make_unique<Extended>();
    // What this transaction was told before its first statement of this protocol.
    const bool local = std::any_of(tx_.replay.begin(), tx_.replay.end(), [](const auto& step) { return !step.savepoint; });
    const bool code = std::any_of(links_.begin(), links_.end(), [](const ServerConn* conn) {
      return conn->link.suspected.has(sql::PinReason::kUserCode) || conn->link.suspected.has(sql::PinReason::kSetConfig);
    });
    const bool read_back = notes_ && !notes_->configs.empty();
    if (local || code || read_back) ext_->local_scope = new_local_scope();
  }
  return *ext_;
}

ClientStatement* Session::find_client(Bytes name) {
  const auto found = ext_->named.find(name);
  return found == ext_->named.end() ? nullptr : found->second.get();
}

std::optional<Error> Session::too_many_statements() const {
  const auto most = worker_.config()->limits.statements;
  if (most == 0 || ext_->named.size() < most) return std::nullopt;
  return make_error(ErrorCode::kProgramLimit, "too many prepared statements: " + std::to_string(most),
                    "close those that are not needed, or raise limits.statements in the proxy's configuration");
}

// What the name stands for under the settings of now: servers read constants and names in its text by them. In a failed
// transaction they read no text, and tell of what they have. What is shared no more stays as it is.
StatementPtr Session::find_statement(Bytes name) {
  if (name.empty()) return ext_->unnamed;
  ClientStatement* client = find_client(name);
  if (client == nullptr) return nullptr;
  const std::uint64_t now = statement_scope();
  const bool stays = client->statement->retired || client_status() == pgwire::TxStatus::kFailed;
  if (client->statement->settings_scope != now && !stays) {
    client->statement = worker_.statements.intern(client->statement->text, client->statement->types, now);
  }
  return client->statement;
}

Portal* Session::find_portal(Bytes name) {
  auto& portals = ext_->portals;
  for (std::size_t i = portals.size(); i-- > 0;) {
    if (portals[i].name == name) return &portals[i];
  }
  return nullptr;
}

// Whether the server of a failed transaction has the statement, and so knows best what it is.
bool Session::failed_server_has(const Statement& statement) const {
  if (links_.size() != 1 || links_[0]->lost() || links_[0]->tx_status != pgwire::TxStatus::kFailed) return false;
  auto& statements = links_[0]->statements;
  return statement.unnamed ? statements.unnamed == statement.id : statements.contains(statement.id);
}

void Session::drop_portals() { ext_->portals.clear(); }

Result<Session::PlanPtr> Session::plan_statement(Statement& statement) {
  if (statement.plan && statement.scope == scope()) return statement.plan;
  auto plan = plan_text(statement.text, statement.types);
  if (!plan) return plan.error();
  statement.plan = *plan;
  statement.slots = worker_.tokens.slots;
  statement.hint_begin = worker_.tokens.hint_begin;
  statement.hint_end = worker_.tokens.hint_end;
  statement.scope = scope();
  return *plan;
}

std::uint64_t Session::statement_scope() {
  Extended& e = *ext_;
  if (e.local_scope != 0) return e.local_scope;
  if (e.settings_scope_of != settings_) {
    e.settings_scope = worker_.intern_scope(parse_key(*settings_));
    e.settings_scope_of = settings_;
  }
  return e.settings_scope;
}

// A parameter that only this transaction may have: statements parsed from here on are shared with no other. An empty name
// stands for any.
void Session::note_local_setting(std::string_view name) {
  if (ext_ && (name.empty() || changes_parse(name))) ext_->local_scope = new_local_scope();
}

// Code of users is about to run, or ran: what it sets is asked for after the transaction only.
void Session::note_code(const Plan& plan) {
  if (plan.pin != sql::PinReason::kUserCode && plan.pin != sql::PinReason::kSetConfig) return;
  if (!tx_.active() && !(ext_ && ext_->active)) return;
  const auto* catalog = pools_->database->snapshot().catalog.get();
  const bool any = plan.pin == sql::PinReason::kSetConfig || plan.verb == sql::Verb::kDo || plan.verb == sql::Verb::kOther;
  if (any || catalog == nullptr || catalog->code_state().settings) note_local_setting({});
}

// The unnamed statement for this text: the one before the last written over, where nobody else holds it.
StatementPtr Session::parsed_unnamed(Bytes text, std::span<const Oid> types) {
  Extended& e = *ext_;
  StatementPtr statement = std::move(e.spare);
  if (statement == nullptr || statement.use_count() != 1) {
    return StatementRegistry::make_unnamed(text, {types.begin(), types.end()});
  }
  StatementRegistry::rewrite_unnamed(*statement, text, types);
  if (!statement->plan && e.unnamed && e.unnamed->plan && e.unnamed->text == text && e.unnamed->types == statement->types) {
    statement->plan = e.unnamed->plan;
    statement->slots = e.unnamed->slots;
    statement->scope = e.unnamed->scope;
  }
  return statement;
}

// A reply of the proxy's own, behind whatever is still owed; `effect` is undone if that fails.
void Session::fabricate(char type, std::uint16_t effect) {
  Extended& e = *ext_;
  if (e.conn != nullptr && e.conn->link.owed > 0) {
    e.risk.uses += 2;  // it would have to be given again, too
    e.conn->owe({.kind = OwedKind::kFabricated, .fabricated = type, .effect = effect, .owner = this});
  } else {
    const char message[] = {type, 0, 0, 0, 4};
    send(Bytes(message, sizeof message));
  }
}

// Makes sure that the server knows the statement. `parse_effect`: of the client's Parse, which awaits its
// ParseComplete; 0: the client awaits none.
void Session::ensure_parsed(ServerConn& conn, const StatementPtr& statement, std::uint16_t parse_effect) {
  auto& effects = ext_->effects;
  const bool known = statement->unnamed ? conn.statements.unnamed == statement->id : conn.statements.contains(statement->id);
  if (known) {
    if (parse_effect != 0) fabricate(pgwire::be::kParseComplete, parse_effect);
    return;
  }
  ext_->risk.uses += 2;  // known to be up to date, and not worth sending again
  const bool forward = parse_effect != 0;
  if (!forward) {
    effects.push_back({.kind = Kind::kServerParse, .statement = statement});
    parse_effect = static_cast<std::uint16_t>(effects.size());
  }
  auto& out = worker_.scratch;
  out.clear();
  if (!statement->unnamed) {
    if (const std::uint64_t old = conn.statements.evict(conn.pool().prepared_limit)) {
      pgwire::append_close(out, 'S', Statement::server_name_of(old));
      effects.push_back({.kind = Kind::kEvict, .id = old});
      conn.owe({.kind = OwedKind::kClose, .forward = false, .forward_error = false,
                .effect = static_cast<std::uint16_t>(effects.size()), .owner = this});
    }
    conn.statements.add(statement->id);
  }
  auto& effect = effects[parse_effect - 1u];
  effect.server = true;
  if (statement->unnamed) effect.id = std::exchange(conn.statements.unnamed, statement->id);
  std::vector<Oid> room;
  pgwire::append_parse(out, statement->server_name(), statement->text, types_here(statement->types, conn.pool().object_ids(), room));
  conn.owe({.kind = OwedKind::kParse, .forward = forward, .effect = parse_effect, .owner = this});
  conn.queue(out);
  conn.link.unsynced = true;
}

// What was skipped is undone last to first.
void Session::undo_parse(const std::string& name, const StatementPtr& before) {
  if (name.empty()) {
    ext_->unnamed = before;
  } else {
    ext_->named.erase(name);
  }
}

// As the client was told them: by the canonical shard's numbers.
void Session::note_parameter_types(Statement& statement, const std::string& description) {
  pgwire::ParameterDescription types;
  if (!decode(Bytes(description), types)) return;
  statement.described_types.clear();
  for (std::size_t i = 0; i < types.count; ++i) statement.described_types.push_back(types.type(i));
}

void Session::settle_effect(ServerConn& from, const ServerEntry& entry, EntryOutcome outcome) {
  Extended& e = *ext_;
  auto& effect = e.effects[entry.effect - 1u];
  const bool done = outcome == EntryOutcome::kDone;
  switch (effect.kind) {
    case Kind::kParse:
    case Kind::kServerParse: {
      Statement& statement = *effect.statement;
      if (done) {
        if (effect.server) statement.verified_scope = statement.scope;
        return;
      }
      const bool failed = outcome == EntryOutcome::kFailed;
      if (effect.server && !statement.unnamed) from.statements.remove(statement.id);
      // A Parse that fails has taken the unnamed statement with it; one that is skipped has not.
      if (effect.server && statement.unnamed) from.statements.unnamed = failed ? 0 : effect.id;
      if (effect.kind == Kind::kServerParse) return;
      undo_parse(effect.name, failed ? nullptr : effect.before);
      return;
    }
    case Kind::kEvict:
      if (!done) from.statements.add(effect.id);
      return;
    case Kind::kClose:
      if (done) return;
      if (effect.name.empty()) {
        e.unnamed = effect.before;
      } else if (effect.client) {
        e.named[effect.name] = effect.client;
      }
      return;
    case Kind::kBind: {
      if (effect.name.empty()) {
        if (done) return;
        std::erase_if(e.portals, [](const Portal& portal) { return portal.name.empty(); });
        if (outcome == EntryOutcome::kFailed) return;  // what there is now, the server knows
        if (effect.id == 0) return;
        Portal& old = e.replaced[effect.id - 1];
        const bool there = old.conn == nullptr || std::find(links_.begin(), links_.end(), old.conn) != links_.end();
        if (there) e.portals.push_back(std::move(old));
        return;
      }
      // A name may stand twice here: once for a portal that ROLLBACK TO took, unseen by the proxy.
      std::size_t newest = e.portals.size();
      while (newest-- > 0 && e.portals[newest].name != effect.name) {}
      for (std::size_t i = e.portals.size(); i-- > 0;) {
        if (e.portals[i].name == effect.name && (i == newest) != done) {
          e.portals.erase(e.portals.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
      return;
    }
    case Kind::kDescribe:
      if (!done) return;
      if (effect.client) effect.client->description = from.link.description;
      if (effect.statement && pools_->database->sharded()) note_parameter_types(*effect.statement, from.link.types);
      return;
    case Kind::kExecute: {
      if (outcome == EntryOutcome::kSkipped || !effect.plan || effect.plan->statements.empty()) return;
      const Plan& plan = effect.plan->statements[0];
      apply_effect(from, plan, effect.statement->text, done);
      return;
    }
    case Kind::kNothing:
      return;
  }
}

// An error that names a statement as the server knows it, in the client's words.
void Session::rename_error(const ServerConn& from, pgwire::ErrorFields fields, std::string& instead) {
  constexpr Bytes kQuoted = "\"howdah_";
  const auto at = fields.message.find(kQuoted);
  if (at == Bytes::npos) return;
  std::uint64_t id = 0;
  std::size_t end = at + kQuoted.size();
  for (; end < fields.message.size() && fields.message[end] >= '0' && fields.message[end] <= '9'; ++end) {
    id = id * 10 + static_cast<std::uint64_t>(fields.message[end] - '0');
  }
  if (end == at + kQuoted.size()) return;  // a name of the client's
  const auto renamed = [&](const std::string& name) {
    std::string message(fields.message.substr(0, at + 1));
    message.append(name).append(fields.message.substr(end));
    fields.message = message;
    if (fields.position != 0) fields.position += from.link.position_offset;
    pgwire::append_error(instead, fields);
  };
  if (id == 0) return renamed(ext_->missing);
  for (const auto& [name, client] : ext_->named) {
    if (client->statement->id == id) return renamed(name);
  }
}

}  // namespace howdah::proxy
