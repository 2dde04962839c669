// What is not proven is refused; but what PostgreSQL would refuse as well is refused in PostgreSQL's words.
#include <algorithm>

#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended_rules.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;

// Of a simple query. A server parses it, which runs nothing: a column that does not exist is 42703, not 0A000.
Task<> Session::refuse(const Plan& statement, std::string text, Error refusal) {
  if (is_refused_query(statement, refusal) && !text.empty()) {
    Plan anywhere;
    anywhere.where = sql::Where::kHome;
    anywhere.writes = false;
    ServerConn* conn = links_.empty() ? co_await link(ShardId(0), anywhere) : links_.front();
    if (conn == nullptr) co_return;
    if (!conn->lost()) {
      std::string message;
      pgwire::append_parse(message, "", text, {});
      pgwire::append_sync(message);
      conn->link.error = conn->link.error_forwarded = false;
      conn->statements.unnamed = 0;
      conn->owe({.kind = OwedKind::kParse, .forward = false, .owner = this});
      conn->owe({.kind = OwedKind::kSync, .forward = false, .owner = this});
      conn->flush(message);
      co_await wait_owed(*conn);
      if (closing_) co_return;
      if (conn->link.error_forwarded) {
        statement_failed_ = true;
        if (tx_.active()) tx_.failed = true;
        co_return;
      }
    }
  }
  fail_statement(refusal);
}

}  // namespace howdah::proxy
