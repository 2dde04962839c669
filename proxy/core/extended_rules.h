// What PostgreSQL says of messages that it cannot read or use, and what it takes in a failed transaction.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/tcop/postgres.c
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

// A body that should begin with `strings` strings, then hold at least `more` bytes: in PostgreSQL's words.
inline Error malformed(Bytes body, int strings, std::size_t more = 0) {
  for (int i = 0; i < strings; ++i) {
    const auto end = body.find('\0');
    if (end == Bytes::npos) return make_error(ErrorCode::kProtocolViolation, "invalid string in message");
    body.remove_prefix(end + 1);
  }
  return make_error(ErrorCode::kProtocolViolation,
                    body.size() < more ? "insufficient data left in message" : "invalid message format");
}

// As malformed(), for a kind and a name: the kind is looked at last.
inline Error malformed_target(Bytes body, const char* message) {
  const Bytes name = body.substr(std::min<std::size_t>(1, body.size()));
  if (name.find('\0') + 1 != name.size() || name.empty()) return malformed(name, 1);
  return make_error(ErrorCode::kProtocolViolation, std::string("invalid ") + message + " message subtype " +
                                                       std::to_string(static_cast<unsigned char>(body[0])));
}

inline Error no_statement(Bytes name) {
  return make_error(ErrorCode::kUnknownStatement,
                    name.empty() ? std::string("unnamed prepared statement does not exist")
                                 : "prepared statement \"" + std::string(name) + "\" does not exist");
}

inline Error no_portal(Bytes name) {
  return make_error(ErrorCode::kUnknownCursor, "portal \"" + std::string(name) + "\" does not exist");
}

// What PostgreSQL takes in a failed transaction; it parses empty texts there, too.
inline bool ends_transaction(const sharding::sql::Plan& plan) {
  if (plan.statements.empty()) return true;
  const sharding::sql::Verb verb = plan.statements[0].verb;
  return verb == sharding::sql::Verb::kCommit || verb == sharding::sql::Verb::kRollback || verb == sharding::sql::Verb::kRollbackTo || verb == sharding::sql::Verb::kPrepareTransaction;
}

// What it binds and executes there.
inline bool exits_transaction(const sharding::sql::Plan& plan, std::size_t params) {
  return !plan.statements.empty() && params == 0 && ends_transaction(plan);
}

// Whether Describe needs no server: one in a failed transaction parses no such statement.
inline bool describes_itself(const sharding::sql::Plan& plan, const std::vector<Oid>& types) {
  using sharding::sql::Verb;
  constexpr Oid kUnknown = 705;
  if (plan.statements.empty() || plan.statements[0].returns_rows) return false;
  const Verb verb = plan.statements[0].verb;
  const bool typed = types.size() >= plan.params &&
                     std::none_of(types.begin(), types.end(), [](Oid type) { return type == 0 || type == kUnknown; });
  return typed && verb != Verb::kOther && verb != Verb::kCall;  // these may return rows
}

inline bool is_transaction_control(sharding::sql::Verb verb) {
  return verb == sharding::sql::Verb::kBegin || verb == sharding::sql::Verb::kCommit || verb == sharding::sql::Verb::kRollback || verb == sharding::sql::Verb::kSavepoint ||
         verb == sharding::sql::Verb::kRelease || verb == sharding::sql::Verb::kRollbackTo;
}

// PostgreSQL may have an error of its own for it.
inline bool is_refused_query(const sharding::sql::StatementPlan& plan, const Error& refusal) {
  using sharding::sql::Verb;
  const bool query = plan.verb <= Verb::kMerge || plan.verb == Verb::kExplain;
  return plan.where == sharding::sql::Where::kRefused && query && refusal.code == ErrorCode::kUnsupported;
}

// A Bind up to the end of its names; `rest` bytes are to follow.
inline void begin_large_bind(std::string& out, Bytes portal, Bytes statement, std::size_t rest) {
  const auto length = static_cast<std::uint32_t>(4 + portal.size() + 1 + statement.size() + 1 + rest);
  out.push_back('B');
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(length >> shift & 0xff));
  out.append(portal).push_back('\0');
  out.append(statement).push_back('\0');
}

}  // namespace howdah::proxy
