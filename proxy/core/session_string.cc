// A string of several statements: what runs together, and what begins and ends a transaction within it.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
#include "proxy/core/extended_rules.h"
#include "proxy/core/session.h"
#include "proxy/core/settings.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Verb;

// Statements of one string run as PostgreSQL runs them: in order, an error drops the rest, and what stands outside of
// BEGIN and COMMIT is one implicit transaction.
Task<> Session::run_string(PlanPtr plan, std::vector<Result<sharding::Route>> routes, std::string text) {
  const auto& statements = plan->statements;
  bool opened = false;
  // What the proxy answers shares the transaction of its neighbours, but for what begins and ends one.
  const auto answered_here = [&](const Plan& statement) {
    return proxied(statement) && (tx_.explicit_block() || is_transaction_control(statement.verb));
  };
  std::size_t at = 0;
  while (at < statements.size() && !statement_failed_ && !closing_) {
    const Plan& statement = statements[at];
    if (settle_ && tx_.active() && pools_->database->sharded()) co_await settle();
    if (closing_) co_return;
    if (answered_here(statement)) {
      co_await run_in_proxy(statement, text);
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < statements.size() && !answered_here(statements[end])) ++end;
    std::size_t last = end;
    if (!tx_.active()) {
      if (end < statements.size()) {
        // BEGIN makes the statements before it part of its block, COMMIT and ROLLBACK end their transaction.
        begin_implicit();
        opened = true;
      } else {
        while (last > at && cannot_fail(statements[last - 1])) --last;
      }
    }
    if (last > at) co_await run_range(plan, at, last, routes, text);
    for (; last < end && !statement_failed_ && !closing_; ++last) co_await run_in_proxy(statements[last], text);
    at = end;
  }
  if (closing_) co_return;
  if (opened && tx_.kind == Transaction::Kind::kImplicit) {  // nothing has ended it
    co_await rollback_links();
    if (closing_) co_return;
    end_transaction(false);
  }
  if (catalog_changed_ && !tx_.active()) co_await refresh_catalog();
}

// Answered by the proxy in its place among the statements of a string. PREPARE has a part of the server's.
bool Session::proxied(const Plan& statement) const { return statement.verb != Verb::kPrepare && proxy_handles(statement); }

// Behind the last statement that a server runs it need not share that one's transaction.
bool Session::cannot_fail(const Plan& statement) const {
  if (!proxied(statement)) return false;
  switch (statement.verb) {
    case Verb::kUnlisten: return true;
    case Verb::kDeallocate: return statement.name.empty();
    case Verb::kDiscard: return statement.name != "all";
    case Verb::kSet: return resets_to_login(*base_settings_, statement.set);
    default: return false;
  }
}

}  // namespace howdah::proxy
