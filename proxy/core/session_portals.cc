// Portals over several shards: opened on them by Bind at the latest before anything else happens, and executed a few rows at a time.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/shard_portals.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Verb;

namespace {

// Whether its rows can stream from portals on the shards: those of a query that one server answers in the end are kept.
bool streams(const Portal& portal) {
  if (portal.route.kind != sharding::Route::Kind::kManyShards) return false;
  const sql::StatementPlan& what = portal.plan->statements[0];
  return what.spread && !what.spread->gathers && !what.many_write && !what.many_copy && what.verb == Verb::kSelect;
}

}  // namespace

// Execute of a portal over several shards. False: the client was told.
Task<bool> Session::run_portal(std::string name, std::uint32_t most) {
  const Portal kept = *find_portal(name);
  if (kept.rows) {
    std::string out;
    kept.rows->give(most, out);
    send(out);
    co_return true;
  }
  if (streams(kept) && (most > 0 || kept.stream)) {
    if (!kept.stream && !co_await open_portal(name)) co_return false;
    co_return co_await run_stream(find_portal(name)->stream, most);
  }
  if (most > 0) co_return co_await keep_portal(kept, most);
  Portal portal = kept;
  co_return co_await run_on_many(portal.plan, 0, portal.route, portal.statement->text, &portal, nullptr);
}

// Queues what opens it on its shards, where it lives as long as the client's: to the end of the transaction, or to Sync.
Task<bool> Session::open_portal(std::string name) {
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  if (!tx_.active()) begin_implicit();
  const Portal kept = *find_portal(name);
  const Plan& statement = kept.plan->statements[0];
  auto stream = co_await ShardPortals::open(*this, {.statement = statement, .route = kept.route, .text = std::string(kept.statement->text),
                                                    .portal = &kept, .name = name, .describe = kept.described});
  if (!stream) co_return false;
  Portal& portal = *find_portal(name);
  portal.stream = std::move(stream);
  portal.bound = true;
  co_return true;
}

Task<bool> Session::run_stream(std::shared_ptr<ShardPortals> stream, std::uint32_t most) {
  const std::uint64_t wanted = most == 0 ? ShardPortals::kAll : most;
  if (!co_await stream->take(*this, wanted, [this](Bytes rows) { send(rows); })) co_return false;
  worker_.scratch.clear();
  if (stream->taken() == wanted) {
    pgwire::append_portal_suspended(worker_.scratch);
  } else {
    pgwire::append_command_complete(worker_.scratch, "SELECT " + std::to_string(stream->taken()));
  }
  send(worker_.scratch);
  co_return true;
}

// The statement runs to its end, and its rows are kept for the Executes to come, as PostgreSQL does for RETURNING.
Task<bool> Session::keep_portal(Portal portal, std::uint32_t most) {
  std::string spool, out;
  spool_ = &spool;
  const bool ok = co_await run_on_many(portal.plan, 0, portal.route, portal.statement->text, &portal, nullptr);
  spool_ = nullptr;
  if (closing_) co_return false;
  const auto rows = std::make_shared<PortalRows>(spool, out);
  if (ok) rows->give(most, out);
  if (Portal* known = find_portal(portal.name)) known->rows = rows;
  send(out);
  co_return ok;
}

// Before anything but Describe and Execute of it: a portal over several shards takes its parameters and its snapshot at Bind.
// False: the client was told.
Task<bool> Session::settle_bound() {
  Extended& e = *ext_;
  const std::string name = *std::exchange(e.unanswered, std::nullopt);
  Portal* portal = find_portal(name);
  if (portal == nullptr || portal->bound) co_return true;
  if (!co_await settle_pending() || !co_await leave_group_conn()) co_return false;
  portal = find_portal(name);
  statement_failed_ = false;
  if (streams(*portal)) {
    if (co_await open_portal(name) && co_await find_portal(name)->stream->settle(*this)) co_return true;
    e.failed = true;
    co_return false;
  }
  const Plan& what = portal->plan->statements[0];
  if (portal->described && what.returns_rows) {
    co_await fail_group(make_error(ErrorCode::kUnsupported, "a portal over several shards that is described but not executed is not supported",
                                   "Send Execute before Sync or Flush, or describe the statement."));
    co_return false;
  }
  portal->bound = true;
  worker_.scratch.clear();
  pgwire::append_bind_complete(worker_.scratch);
  if (std::exchange(portal->described, false)) pgwire::append_no_data(worker_.scratch);
  send(worker_.scratch);
  co_return true;
}

// Describe of a portal whose Bind was answered before.
Task<> Session::describe_bound(const Portal& portal) {
  const Plan& what = portal.plan->statements[0];
  const auto stream = portal.stream;
  if (!stream && what.returns_rows) {
    co_await fail_group(make_error(ErrorCode::kUnsupported, "this portal over several shards cannot be described", "Describe its statement."));
    co_return;
  }
  if (!co_await settle_pending() || !co_await drain_group()) co_return;
  worker_.scratch.clear();
  if (stream) {
    worker_.scratch = stream->description();
  } else {
    pgwire::append_no_data(worker_.scratch);
  }
  send(worker_.scratch);
}

// FETCH of a cursor over several shards, by Execute.
Task<bool> Session::run_fetch(std::string name, std::uint32_t most) {
  const Portal portal = *find_portal(name);
  const Plan& plan = portal.plan->statements[0];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  if (most == 0) co_return co_await fetch_many(plan, portal.statement->text, &portal);
  std::string spool, out;
  spool_ = &spool;
  const bool ok = co_await fetch_many(plan, portal.statement->text, &portal);
  spool_ = nullptr;
  if (closing_) co_return false;
  const auto rows = std::make_shared<PortalRows>(spool, out);
  if (ok) rows->give(most, out);
  if (Portal* known = find_portal(name)) known->rows = rows;
  send(out);
  co_return ok;
}

// Portals that only the transaction holds: the client closed them, or bound others in their place.
void Session::close_dropped() {
  auto& portals = tx_.portals;
  for (std::size_t i = portals.size(); i-- > 0;) {
    if (portals[i].use_count() > 1) continue;
    portals[i]->close(*this);
    portals.erase(portals.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// The client was told.
bool Session::spool_is_full() {
  const std::size_t most = worker_.config()->limits.gather_bytes;
  if (spool_ == nullptr || spool_->size() <= most) return false;
  spool_->clear();
  send_error(ShardPortals::too_large(most));
  return true;
}

}  // namespace howdah::proxy
