// The simple query protocol: one string of statements, one ReadyForQuery.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.4
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/extended_rules.h"
#include "proxy/core/session.h"
#include "proxy/core/sql_prepare.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Verb;
using sql::Where;

namespace {

constexpr auto kHungUpGrace = std::chrono::seconds(1);

}  // namespace

Task<> Session::simple_query(Bytes body, Bytes whole) {
  if (ext_ && ext_->failed) co_return;  // PostgreSQL skips to Sync
  const bool amid = ext_ && ext_->active;
  if (amid && ext_->unanswered && !co_await settle_bound()) co_return;
  // Order is kept, and the query shares the transaction of the messages before it.
  if (amid && (!co_await settle_pending() || !co_await drain_group())) co_return;
  if (ext_) ext_->unnamed.reset();  // a simple query is the unnamed statement
  statement_failed_ = ready_sent_ = false;
  PlanPtr run;
  pgwire::QueryMessage query;
  if (!decode(body, query)) {
    const bool no_end = body.find('\0') == Bytes::npos;
    fail_statement(make_error(ErrorCode::kProtocolViolation, no_end ? "invalid string in message" : "invalid message format"));
  } else if (auto plan = plan_text(query.sql, {}); plan && names_unknown_table(**plan) && !co_await plan_anew(query.sql, {}, plan)) {
    // gone
  } else if (!plan) {
    const bool failed = client_status() == pgwire::TxStatus::kFailed && plan.error().code != ErrorCode::kSyntaxError;
    fail_statement(failed ? failed_transaction() : plan.error());
  } else if (amid && !co_await query_amid_group(plan->get(), query.sql)) {
    // answered
  } else {
    const PlanPtr kept = run = *plan;
    ++kept->runs;
    if (amid && kept->statements.size() != 0) plan_text(query.sql, {});  // the slots, after a wait
    if (!tx_.portals.empty() && ext_ && !kept->statements.empty()) {
      std::erase_if(ext_->portals, [](const Portal& portal) { return portal.name.empty() && portal.stream; });
    }
    if (kept->statements.empty()) {
      worker_.scratch.clear();
      pgwire::append_empty_query(worker_.scratch);
      send(worker_.scratch);
    } else if (kept->statements.size() == 1) {
      co_await run_single(kept, query.sql, whole);
    } else {
      co_await run_string(kept, routes_of(*kept, query.sql), std::string(query.sql));
    }
  }
  if (closing_) co_return;
  if (ext_) replace_unnamed_portal(run);
  if (amid) {
    co_await end_query_amid_group();
    if (closing_) co_return;
  }
  if (listening_) finish_statement_listens(statement_failed_);
  if (settle_) {
    co_await settle();
    if (closing_) co_return;
  }
  release_all_idle();
  if (listening_) hand_out_notifications();
  if (!ready_sent_) send_ready();
}

// A simple query is the unnamed portal as well, unless it is refused before it has one: what failed in a transaction leaves a
// portal there, one way or the other.
void Session::replace_unnamed_portal(const PlanPtr& query) {
  if (query != nullptr && query->statements.empty()) return;
  if (statement_failed_ && tx_.active()) return;
  std::erase_if(ext_->portals, [](const Portal& portal) { return portal.name.empty(); });
}

Task<> Session::run_single(const PlanPtr& plan, Bytes text, Bytes whole) {
  const Plan& statement = plan->statements[0];
  if (proxy_handles(statement)) {
    relay_ready_ = true;
    co_await run_in_proxy(statement, text);
    relay_ready_ = false;
    co_return;
  }
  if (client_status() == pgwire::TxStatus::kFailed) {
    // A server that failed, too, refuses it in its own words: bad syntax comes before the failed transaction.
    if (links_.size() == 1 && !links_[0]->lost() && links_[0]->tx_status == pgwire::TxStatus::kFailed) {
      co_await run_query(*links_[0], whole, false);
      // PREPARE TRANSACTION and its like end it.
      if (!closing_ && !links_[0]->lost() && links_[0]->tx_status == pgwire::TxStatus::kIdle) end_transaction(false);
      if (closing_ || !links_[0]->lost()) co_return;
    }
    if (statement.verb == Verb::kOther && co_await fail_on_server()) {
      co_await run_query(*links_[0], whole, false);
      if (closing_ || !links_[0]->lost()) co_return;
    }
    if (closing_ || statement_failed_) co_return;
    fail_statement(failed_transaction());
    co_return;
  }
  if (SqlPrepare execute(*this, statement, text); execute.executes()) {
    const std::string kept(text);
    co_await SqlPrepare(*this, statement, kept).execute();
    co_return;
  }
  if (worker_.rules != nullptr) {
    if (const auto refusal = refused_by_rules(statement, text)) {
      fail_statement(*refusal);
      co_return;
    }
  }
  const sharding::Values values = values_of(text, worker_.tokens.slots, {});
  const sql::TokenStream& tokens = worker_.tokens;
  const auto route = route_of(statement, values, text.substr(tokens.hint_begin, tokens.hint_end - tokens.hint_begin));
  if (!route) {
    co_await refuse(statement, std::string(text), route.error());
    co_return;
  }
  if (route->kind == sharding::Route::Kind::kAllShards) {
    co_await run_everywhere(plan, 0, text, nullptr);
    co_return;
  }
  if (route->kind == sharding::Route::Kind::kManyShards) {
    co_await run_on_many(plan, 0, *route, text, nullptr, nullptr);
    co_return;
  }
  if (statement.verb == Verb::kSet && tx_.explicit_block() && links_.empty() && pools_->database->sharded()) {
    co_await try_setting(statement, text);
    co_return;
  }
  const ShardId shard = shard_for(*route, statement);
  note_route(shard);
  const Avoided avoided(avoided_);
  for (int attempt = 0;; ++attempt) {
    const Epoch routed = pools_->database->snapshot().map->epoch();
    read_from_ = route->read_from;
    ServerConn* conn = co_await link(shard, statement);
    if (conn == nullptr) co_return;
    const bool autocommit = !tx_.active();
    if (autocommit && routed != pools_->database->snapshot().map->epoch()) {
      // The shard map moved on while this waited: the rows may be elsewhere now.
      release(*conn);
      const auto again = plan_text(text, {});
      if (!again) {
        fail_statement(again.error());
        co_return;
      }
      co_await run_single(*again, text, whole);
      co_return;
    }
    conn->link.forwarded = false;
    if (!statement.configs.empty()) {
      worker_.params.clear();
      note_configs(*conn, statement, config_names(statement));
    }
    const bool claimed = statement.notifies && autocommit && claim_notify(*conn);
    const bool ok = co_await run_query(*conn, whole, tx_.kind != Transaction::Kind::kImplicit && !claimed);
    if (closing_) co_return;
    if (claimed) {
      co_await settle_notify(*conn);
      if (closing_) co_return;
    }
    if (conn->lost()) {
      // A read that nobody has seen anything of is repeated where the data is.
      const bool repeat = attempt < kMostRepeats && autocommit && statement.read_only && !conn->link.forwarded && may_repeat_on_loss_of(*conn);
      if (repeat) {
        avoided_ = conn->pool().target().server;
        release(*conn);
        continue;
      }
      if (tx_.active()) tx_.failed = true;
      if (!conn->link.error_forwarded) send_lost(*conn);
      if (!tx_.active()) release(*conn);
      statement_failed_ = true;
      co_return;
    }
    apply_effect(*conn, statement, text, ok);
    if (tx_.explicit_block() && conn->link.in_transaction && conn->tx_status == pgwire::TxStatus::kIdle) {
      end_transaction(ok);  // PREPARE TRANSACTION
    }
    if (catalog_changed_ && !tx_.active()) co_await refresh_catalog();
    if (ok && statement.verb == Verb::kSet && statement.set.local && links_.size() > 1) {
      std::vector<ServerConn*> others;
      for (ServerConn* other : links_) {
        if (other != conn && other->link.in_transaction) others.push_back(other);
      }
      if (!co_await on_links(others, tx_.replay.back().text)) tx_.failed = true;
    }
    if (autocommit) {
      ++conn->pool().counters.transactions;
      WorkerCounters::add(worker_.counters.transactions);
    }
    co_return;
  }
}

// Statements [first, last), none of them BEGIN or what ends a transaction: as one string where one server runs them all, else one by one
// inside a transaction.
Task<bool> Session::run_range(PlanPtr plan, std::size_t first, std::size_t last,
                              const std::vector<Result<sharding::Route>>& routes, const std::string& text) {
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  const auto& statements = plan->statements;
  const auto by_name = [&](const Plan& statement) {
    return statement.verb == Verb::kPrepare || SqlPrepare(*this, statement, text).executes();
  };
  bool together = true;
  bool many = false;
  std::optional<ShardId> only;
  std::size_t bound = last;  // a statement that has to run on `only`; `last`: there is none so far
  Plan combined = statements[first];
  const sharding::ReadFrom wish = routes[first] ? routes[first]->read_from : sharding::ReadFrom::kDefault;
  for (std::size_t i = first; i < last; ++i) {
    if (proxied(statements[i])) {
      together = false;
      continue;
    }
    if (!routes[i]) co_return fail_statement(routes[i].error());
    if (by_name(statements[i])) together = false;
    if (routes[i]->kind == sharding::Route::Kind::kManyShards && statements[i].many_copy) {
      co_return fail_statement(make_error(ErrorCode::kUnsupported, "COPY over several shards beside other statements in one string is not supported",
                                          "send it as a string of its own"));
    }
    if (routes[i]->kind == sharding::Route::Kind::kAllShards || routes[i]->kind == sharding::Route::Kind::kManyShards) {
      many = many || (routes[i]->kind == sharding::Route::Kind::kManyShards && !statements[i].many_write && statements[i].verb != Verb::kExplain);
      together = false;
      continue;
    }
    const ShardId shard = shard_for(*routes[i], statements[i]);
    // What may run anywhere runs where the others do.
    const bool anywhere = routes[i]->kind == sharding::Route::Kind::kAnyShard ||
                          (routes[i]->kind == sharding::Route::Kind::kHome && !has_shared_effect(statements[i]));
    if (!only || (bound == last && !anywhere)) {
      only = shard;
    } else if (*only != shard && !anywhere) {
      together = false;
    }
    if (!anywhere) bound = i;
    if (routes[i]->read_from != wish) together = false;
    combined.read_only = combined.read_only && statements[i].read_only;
    combined.writes = combined.writes || statements[i].writes;
    combined.notifies = combined.notifies || statements[i].notifies;
    if (statements[i].pin == sql::PinReason::kNone) continue;
    if (const auto refusal = refused_state(statements[i])) co_return fail_statement(*refusal);
  }
  // Fails when its turn comes.
  const auto taken = [&](const Plan& statement) {
    return statement.verb == Verb::kDeclareCursor && taken_cursor(statement.name, *only).has_value();
  };
  if (together && only && std::any_of(statements.begin() + static_cast<std::ptrdiff_t>(first), statements.begin() + static_cast<std::ptrdiff_t>(last), taken)) {
    together = false;
  }
  if (together) {
    const Epoch routed = pools_->database->snapshot().map->epoch();
    read_from_ = wish;
    note_route(*only);
    ServerConn* conn = co_await link(*only, combined);
    if (conn == nullptr) co_return false;
    if (routed != pools_->database->snapshot().map->epoch()) {
      co_return fail_statement(make_error(ErrorCode::kStaleMap, "the shard map changed while the statements waited for a server connection",
                                          "repeat them"));
    }
    std::string message;
    const std::size_t begin = statements[first].begin;
    pgwire::append_query(message, std::string_view(text).substr(begin, statements[last - 1].end - begin));
    const bool autocommit = !tx_.active();
    worker_.params.clear();
    for (std::size_t i = first; i < last; ++i) {
      if (!statements[i].configs.empty()) note_configs(*conn, statements[i], config_names(statements[i]));
    }
    const bool claimed = combined.notifies && autocommit && claim_notify(*conn);
    conn->link.position_offset = pgwire::characters(std::string_view(text).substr(0, begin));
    const bool ok = co_await run_query(*conn, message, false);
    conn->link.position_offset = 0;
    if (closing_) co_return false;
    if (claimed) {
      co_await settle_notify(*conn);
      if (closing_) co_return false;
    }
    if (conn->lost()) {
      if (tx_.active()) tx_.failed = true;
      if (!conn->link.error_forwarded) send_lost(*conn);
      co_return false;
    }
    for (std::size_t i = first; i < last; ++i) apply_effect(*conn, statements[i], text, ok);
    if (autocommit) WorkerCounters::add(worker_.counters.transactions);
    if (catalog_changed_ && !tx_.active()) co_await refresh_catalog();
    co_return ok;
  }
  const bool own = !tx_.active();
  // Rows go out as they come, before the string's own transaction has committed: a promise only if it may fail to.
  const bool reads = std::all_of(statements.begin() + static_cast<std::ptrdiff_t>(first), statements.begin() + static_cast<std::ptrdiff_t>(last),
                                 [](const Plan& statement) { return !statement.writes; });
  if (own && many && !reads) {
    co_return fail_statement(make_error(ErrorCode::kUnsupported,
                                        "a query over several shards cannot stand beside writing statements in one string",
                                        "send them one by one, or begin the string with BEGIN",
                                        "its rows go to the client as they come, before the transaction is committed"));
  }
  if (own) {
    tx_.kind = Transaction::Kind::kImplicit;
    tx_.settings_at_begin = settings_;
  }
  // Replies are held back until the commit, so that the last one is not a promise too early.
  std::string held_answer;
  for (std::size_t i = first; i < last && !statement_failed_ && !closing_; ++i) {
    // What was set on one shard is needed on the next.
    if (i > first && settle_) co_await settle();
    if (closing_) co_return false;
    const std::string_view one = std::string_view(text).substr(statements[i].begin, statements[i].end - statements[i].begin);
    if (proxied(statements[i])) {
      if (!co_await run_in_proxy(statements[i], text)) statement_failed_ = true;
      continue;
    }
    if (routes[i]->kind == sharding::Route::Kind::kAllShards) {
      co_await run_everywhere(plan, i, one, nullptr);
      continue;
    }
    if (routes[i]->kind == sharding::Route::Kind::kManyShards) {
      const bool done = co_await run_on_many(plan, i, *routes[i], text, nullptr, own && i + 1 == last ? &held_answer : nullptr);
      if (!done) statement_failed_ = true;
      continue;
    }
    if (by_name(statements[i])) {
      const bool last_one = own && i + 1 == last;
      std::string held;
      SqlPrepare named(*this, statements[i], text);
      std::string* const keep = last_one ? &held : nullptr;
      const bool done = statements[i].verb == Verb::kPrepare ? co_await named.prepare(keep) : co_await named.execute(keep);
      if (closing_) co_return false;
      if (!done) statement_failed_ = true;
      if (!last_one) continue;
      if (!done) co_await rollback_links();
      if (!done || co_await commit_links(true)) send(held);
      end_transaction(done && !statement_failed_);
      co_return done;
    }
    const ShardId shard = shard_for(*routes[i], statements[i]);
    note_route(shard);
    read_from_ = routes[i]->read_from;
    ServerConn* conn = co_await link(shard, statements[i]);
    if (conn == nullptr) break;
    std::string message;
    pgwire::append_query(message, one);
    if (!statements[i].configs.empty()) {
      worker_.params.clear();
      note_configs(*conn, statements[i], config_names(statements[i]));
    }
    const bool last_of_all = own && i + 1 == last;
    if (last_of_all) conn->link.collect = true;
    conn->link.position_offset = pgwire::characters(std::string_view(text).substr(0, statements[i].begin));
    const bool ok = co_await run_query(*conn, message, false);
    conn->link.position_offset = 0;
    conn->link.collect = false;
    if (closing_) co_return false;
    if (conn->lost()) {
      tx_.failed = true;
      if (!conn->link.error_forwarded) send_lost(*conn);
      statement_failed_ = true;
      break;
    }
    apply_effect(*conn, statements[i], text, ok);
    if (!ok) statement_failed_ = true;
    if (last_of_all) {
      std::string held = std::move(conn->link.collected);
      conn->link.collected.clear();
      if (!ok) {
        send(held);
      } else if (co_await commit_links(true)) {
        send(held);
      }
      end_transaction(ok && !statement_failed_);
      co_return ok;
    }
  }
  if (own) {
    if (statement_failed_ || closing_) {
      co_await rollback_links();
      end_transaction(false);
    } else {
      const bool committed = co_await commit_links(true);
      if (closing_) co_return false;
      if (committed) send(held_answer);
      end_transaction(committed);
    }
  }
  co_return !statement_failed_;
}

// SET in a transaction that no shard has joined: tried on a server and taken back there, then kept for those that join.
// Were the server kept, the transaction would hold a connection that it may never need.
Task<> Session::try_setting(const Plan& statement, Bytes text) {
  Plan anywhere;
  anywhere.where = Where::kHome;
  anywhere.writes = false;
  const ShardId home = shard_for({sharding::Route::Kind::kHome, ShardId(0)}, anywhere);
  ServerConn* conn = co_await acquire(pools_->pool(pools_->primaries[home.value()]));
  if (conn == nullptr) co_return;
  bool ok = conn->settings->same(*settings_) || co_await bring_settings(*conn, settings_);
  if (ok) {
    begin_on(*conn);
    std::string message;
    pgwire::append_query(message, text.substr(statement.begin, statement.end - statement.begin));
    ok = co_await run_query(*conn, message, false);
    if (!closing_ && conn->lost() && !conn->link.error_forwarded) send_lost(*conn);
    if (!conn->lost() && !closing_) {
      // What the server reports when it takes the value back is what the client must hear at the transaction's end.
      conn->link.collect = true;
      conn->link.collected.clear();
      ServerConn* const only[] = {conn};
      co_await on_links(only, "ROLLBACK", true);
      conn->link.collect = false;
      (statement.set.local ? tx_.report_at_end : tx_.report_at_rollback) += conn->link.collected;
    }
  }
  if (closing_) co_return;
  conn->link.in_transaction = false;
  if (!conn->lost() && conn->tx_status != pgwire::TxStatus::kIdle) {
    conn->fail(make_error(ErrorCode::kServerLost, "a transaction could not be rolled back"));
  }
  release(*conn);
  if (!ok) {
    tx_.failed = true;
    co_return;
  }
  note_set(nullptr, statement, text.substr(statement.begin, statement.end - statement.begin));
}

Task<bool> Session::run_query(ServerConn& conn, Bytes message, bool forward_ready) {
  conn.link.error = conn.link.error_forwarded = false;
  conn.owe({.kind = pgwire::OwedKind::kQuery, .forward_ready = forward_ready, .owner = this});
  conn.flush(message);
  const bool ok = co_await wait_owed(conn);
  if (forward_ready && !conn.lost()) ready_sent_ = true;
  if (!ok && conn.link.error) statement_failed_ = true;
  co_return ok;
}

// True when everything owed came and none of it was an error. The client hears of a lost connection from the caller.
Task<bool> Session::wait_owed(ServerConn& conn) {
  if (deadlines_) watch_deadlines();
  bool copied = false;
  while (conn.link.owed > 0 && !conn.lost() && !closing_) {
    if (conn.link.copy_in) {
      co_await pump_copy_in(conn);
      copied = true;
      continue;
    }
    // A client that sends no more may still read its answer, or be dead: it gets a moment, then the statement is canceled.
    // While it has yet to take what was sent, the network tells the one from the other.
    const bool silent = client_hung_up_ && !committing_ && out_.empty();
    if (silent && !timer_.armed()) {
      timed_out_ = false;
      timer_.arm(worker_.reactor(), worker_.reactor().now() + kHungUpGrace);
    }
    co_await suspend();
    if (silent && timed_out_ && out_.empty()) close();
  }
  if (client_hung_up_) timer_.cancel();
  if (copied) co_await settle_copy_syncs(conn);
  co_return !closing_ && !conn.lost() && !conn.link.error;
}

// A statement of the proxy's own; its rows go nowhere. `tell`: an error goes to the client as it came.
Task<bool> Session::own_query(ServerConn& conn, std::string_view statement, bool tell) {
  conn.link.error = conn.link.error_forwarded = false;
  std::string message;
  pgwire::append_query(message, statement);
  conn.owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = tell, .owner = this});
  conn.flush(message);
  const bool ok = co_await wait_owed(conn);
  if (!ok && tell && !closing_) {
    if (conn.lost() && !conn.link.error_forwarded) send_lost(conn);
    statement_failed_ = true;
  }
  co_return ok;
}

// A question of the proxy's own, its answer's messages in `replies`. False: an error, or no answer.
Task<bool> Session::ask(ServerConn& conn, std::string_view question, std::string& replies) {
  conn.link.error = conn.link.error_forwarded = false;
  conn.link.collect = true;
  conn.link.collected.clear();
  std::string message;
  pgwire::append_query(message, question);
  conn.owe({.kind = pgwire::OwedKind::kQuery, .forward_error = false, .forward_ready = false, .owner = this});
  conn.flush(message);
  const bool ok = co_await wait_owed(conn);
  conn.link.collect = false;
  replies = std::exchange(conn.link.collected, {});
  conn.link.error = conn.link.error_forwarded = false;
  co_return ok;
}

}  // namespace howdah::proxy
