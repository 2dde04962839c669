// PREPARE and EXECUTE in SQL, in transaction mode: a client's statement is known to whichever server runs EXECUTE under a
// name of the proxy's, like those of Parse, with which it shares the client's space of names.
// https://www.postgresql.org/docs/15/sql-prepare.html
#pragma once

#include <optional>
#include <string>

#include "proxy/core/prepared.h"
#include "proxy/core/prepared_text.h"
#include "proxy/core/task.h"
#include "sharding/router.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

class ServerConn;
class Session;

// What an EXECUTE comes down to.
struct ResolvedExecute {
  PreparedName at;                      // where the text names it
  StatementPtr target;                  // null: there is no such statement
  sharding::sql::PlanPtr plan;          // of the statement executed
  sharding::sql::StatementPlan run;     // where and how it runs
  sharding::Route route;
  std::string values;                   // several shards: the arguments, as a Bind has them between its names and its result formats
};

// Works on behalf of one session, on its thread; REQUIRES a text that outlives the calls.
class SqlPrepare {
 public:
  SqlPrepare(Session& session, const sharding::sql::StatementPlan& plan, std::string_view text)
      : session_(session), plan_(plan), text_(text) {}

  // Whether the statement executes another one by name.
  bool executes() const;

  // PREPARE. False: the client has its error. With `held`, the reply goes there.
  Task<bool> prepare(std::string* held = nullptr);
  // EXECUTE by a simple query of the proxy's wording.
  Task<bool> execute(std::string* held = nullptr);

  // EXECUTE by Bind, or of several shards: what it means. REQUIRES: executes().
  Result<ResolvedExecute> resolve();
  // The text with the server's name for the statement.
  std::string rewritten(const PreparedName& at, std::string_view server_name) const;

 private:
  Task<bool> prepare_on(ServerConn& conn, const PreparedName& at, const StatementPtr& statement, const StatementPtr& taken,
                        std::string* held);
  Task<bool> make_known(ServerConn& conn, const StatementPtr& statement);
  int moved_by(const PreparedName& at, std::string_view server_name) const;
  void answer(std::string_view tag, std::string* held);
  std::optional<Error> bind_values(ResolvedExecute& resolved) const;
  Task<bool> execute_on_many(ResolvedExecute resolved);

  Session& session_;
  const sharding::sql::StatementPlan& plan_;
  std::string_view text_;
};

}  // namespace howdah::proxy
