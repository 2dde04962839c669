// COPY TO STDOUT of rows that live on several shards: all read at once, the client gets them shard by shard as one stream.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/copy/copy_join.h"

namespace howdah::proxy {

using pgwire::OwedKind;

Task<bool> Session::run_copy_out(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal) {
  const Plan& statement = plan->statements[index];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  const std::string text(whole.substr(statement.begin, statement.end - statement.begin));
  WorkerCounters::add(worker_.counters.all_shard_statements);
  std::vector<ServerConn*> conns;
  note_many(statement, route);
  if (!co_await link_parts(statement, route, conns)) co_return false;
  for (ServerConn* conn : conns) {
    conn->link.error = conn->link.error_forwarded = false;
    conn->link.collect = conn->link.gather = true;
    conn->link.collected.clear();
    std::string message;
    pgwire::append_query(message, text);
    conn->owe({.kind = OwedKind::kQuery, .forward_ready = false, .owner = this});
    conn->flush(message);
  }
  worker_.scratch.clear();
  if (portal != nullptr && !portal->bound) {
    worker_.scratch.append("2\0\0\0\4", 5);  // BindComplete, which waited for this
    if (portal->described) pgwire::append_no_data(worker_.scratch);
    send(worker_.scratch);
  }
  const bool autocommit = !tx_.active();
  const bool ok = co_await join_copies(conns, statement);
  if (closing_) co_return false;
  end_parts(conns, statement, text, ok, autocommit);
  co_return ok;
}

// False: the client was told. Afterwards no connection owes anything.
Task<bool> Session::join_copies(std::span<ServerConn* const> conns, const Plan& statement) {
  sharding::CopyJoin join(statement.many_copy->format);
  for (ServerConn* conn : conns) {
    join.begin();
    if (co_await take_reply(*conn, join)) continue;
    if (closing_) co_return false;
    if (join.error().message.empty()) {
      ServerConn* const one[] = {conn};
      tell_failure(one);
    } else {
      send_error(join.error());
    }
    co_await drop_parts(conns);
    co_return false;
  }
  worker_.scratch.clear();
  join.finish(worker_.scratch);
  pgwire::append_command_complete(worker_.scratch, join.tag());
  send(worker_.scratch);
  co_return true;
}

}  // namespace howdah::proxy
