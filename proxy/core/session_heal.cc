// "cached plan must not change result type": a server's prepared statement is older than a DDL. PostgreSQL tells the client
// that prepared it. Here others may share it, who prepared theirs after the DDL: for them it is prepared again, unseen, and
// the group is sent once more. Only outside a transaction block, before anything of the group reached the client, and
// where the client is told the new columns in this group or was told them before.
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;
using Kind = Extended::Effect::Kind;
using pgwire::OwedKind;

namespace {

constexpr std::size_t kMostSentAgain = 64 * 1024;

// Its text is translated; the function that raises it is not.
bool is_outdated(const pgwire::ErrorFields& fields) {
  return fields.sqlstate == "0A000" && fields.routine == "RevalidateCachedQuery";
}

}  // namespace

// A Bind or Describe of a named statement is about to be sent.
void Session::note_risk(const std::shared_ptr<ClientStatement>& client) {
  auto& risk = ext_->risk;
  if (risk.client == nullptr) risk.client = client;
  ++risk.uses;
}

bool Session::on_server_error(ServerConn& from, const ServerEntry& entry, const pgwire::ErrorFields& fields,
                              std::string& instead) {
  if (!ext_) return true;
  auto& risk = ext_->risk;
  if ((entry.kind == OwedKind::kBind || entry.kind == OwedKind::kDescribeStatement) && is_outdated(fields)) {
    // Whoever prepares one of these texts from now on gets a new statement.
    if (risk.client) worker_.statements.retire(*risk.client->statement);
    for (const auto& portal : ext_->portals) {
      if (portal.client) worker_.statements.retire(*portal.statement);
    }
    if (risk.client && risk.uses == 1 && !tx_.active() && !from.link.forwarded && risk.sent.size() <= kMostSentAgain) {
      risk.stale = true;
      risk.error.clear();
      pgwire::append_error(risk.error, fields);
      // The ReadyForQuery of this attempt is not the client's either.
      from.pipeline.for_each([](ServerEntry& owed) {
        if (owed.kind == OwedKind::kSync) owed.forward = false;
      });
      return false;
    }
  }
  if (entry.kind == OwedKind::kQuery && ext_->executing && is_outdated(fields)) {
    worker_.statements.retire(*ext_->executing->statement);
    if (!tx_.active() && !from.link.forwarded) {
      risk.stale = true;
      return false;
    }
  }
  rename_error(from, fields, instead);
  return true;
}

// After the server refused the group's one statement. `synced`: its Sync is answered, and the group's Sync is to be
// repeated. False: the client was told, but has no ReadyForQuery (or the server was lost, and the caller tells).
Task<bool> Session::heal(ServerConn& conn, bool synced) {
  Extended& e = *ext_;
  const std::string refusal = std::move(e.risk.error);
  const ClientStatementPtr client = e.risk.client;
  net::Buffer sent;
  sent.swap(e.risk.sent);
  const bool described = e.risk.described;
  e.risk.stale = false;
  e.risk.uses = 2;  // once only
  ++e.repeat.messages;
  if (!synced && !conn.lost()) {
    worker_.scratch.clear();
    pgwire::append_sync(worker_.scratch);
    conn.queue(worker_.scratch);
    conn.owe({.kind = OwedKind::kSync, .forward = false, .owner = this});
    conn.flush();
    co_await wait_owed(conn);
  }
  if (closing_ || conn.lost()) co_return false;  // the caller tells of the loss
  const StatementPtr old = client->statement;
  const StatementPtr fresh = worker_.statements.intern(old->text, old->types, statement_scope());
  fresh->plan = old->plan;
  fresh->slots = old->slots;
  fresh->scope = old->scope;
  bool ok = described || (client->description != 0 && co_await same_description(conn, fresh, client->description));
  if (closing_ || conn.lost()) co_return false;
  if (!ok) {
    send(refusal);
    statement_failed_ = e.failed = true;
    conn.link.error = conn.link.error_forwarded = true;
    co_return false;
  }
  client->statement = fresh;
  for (auto& portal : e.portals) {
    if (portal.statement == old) portal.statement = fresh;
  }
  conn.link.error = conn.link.error_forwarded = false;
  ensure_parsed(conn, fresh, 0);
  send_again(conn, sent.view(), client);
  worker_.scratch.clear();
  if (synced) {
    pgwire::append_sync(worker_.scratch);
    conn.owe({.kind = OwedKind::kSync, .owner = this});
  } else {
    pgwire::append_flush(worker_.scratch);
  }
  conn.queue(worker_.scratch);
  conn.flush();
  co_await wait_owed(conn);
  co_return !closing_ && !conn.lost();
}

// Asks the server, unseen by the client, whether the statement's result looks as the client knows it.
Task<bool> Session::same_description(ServerConn& conn, const StatementPtr& fresh, std::uint64_t known) {
  ensure_parsed(conn, fresh, 0);
  Extended& e = *ext_;
  e.effects.push_back({.kind = Kind::kNothing});
  worker_.scratch.clear();
  pgwire::append_describe(worker_.scratch, 'S', fresh->server_name());
  pgwire::append_sync(worker_.scratch);
  conn.queue(worker_.scratch);
  conn.link.description = 0;
  conn.link.error = false;
  conn.owe({.kind = OwedKind::kDescribeStatement, .forward = false, .forward_error = false,
            .effect = static_cast<std::uint16_t>(e.effects.size()), .owner = this});
  conn.owe({.kind = OwedKind::kSync, .forward = false, .owner = this});
  conn.flush();
  const bool ok = co_await wait_owed(conn);
  co_return ok && conn.link.description == known;
}

// The messages that the server skipped, with the statement's new name.
void Session::send_again(ServerConn& conn, Bytes sent, const ClientStatementPtr& client) {
  Extended& e = *ext_;
  const std::string name = client->statement->server_name();
  pgwire::Frame frame;
  while (pgwire::next_frame(sent, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    sent.remove_prefix(frame.whole.size());
    std::string out;
    ServerEntry entry{.owner = this};
    switch (frame.type) {
      case fe::kBind: {
        pgwire::BindMessage bind;
        if (!decode(frame.body, bind)) continue;
        pgwire::append_bind_renamed(out, bind.portal, name, bind.after_names);
        entry.kind = OwedKind::kBind;
        // The first attempt has taken a named portal's entry along.
        if (find_portal(bind.portal) == nullptr) {
          e.portals.push_back({.name = std::string(bind.portal), .plan = client->statement->plan,
                               .statement = client->statement, .client = client, .conn = &conn});
        }
        break;
      }
      case fe::kDescribe: {
        pgwire::DescribeMessage describe;
        if (!decode(frame.body, describe)) continue;
        pgwire::append_describe(out, describe.kind, describe.kind == 'S' ? Bytes(name) : describe.name);
        entry.kind = describe.kind == 'S' ? OwedKind::kDescribeStatement : OwedKind::kDescribePortal;
        e.effects.push_back({.kind = Kind::kDescribe, .client = client});
        entry.effect = static_cast<std::uint16_t>(e.effects.size());
        break;
      }
      case fe::kExecute: {
        pgwire::ExecuteMessage execute;
        if (!decode(frame.body, execute)) continue;
        pgwire::append_execute(out, execute.portal, execute.max_rows);
        entry.kind = OwedKind::kExecute;
        e.effects.push_back({.kind = Kind::kExecute, .plan = client->statement->plan, .statement = client->statement});
        entry.effect = static_cast<std::uint16_t>(e.effects.size());
        conn.link.executed = true;
        break;
      }
      case fe::kClose: {
        pgwire::CloseMessage close_message;
        if (!decode(frame.body, close_message)) continue;
        pgwire::append_close(out, close_message.kind, close_message.name);
        entry.kind = OwedKind::kClose;
        break;
      }
      default:
        continue;  // Sync and Flush: the caller's
    }
    conn.queue(out);
    conn.owe(entry);
  }
  conn.link.unsynced = true;
}

}  // namespace howdah::proxy
