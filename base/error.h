// Errors as values: what went wrong inside Howdah, before it becomes a SQLSTATE at the edge.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <utility>

namespace howdah {

// Every way Howdah itself can fail. proxy/errors.cc translates each to one SQLSTATE in one exhaustive switch.
enum class ErrorCode : std::uint8_t {
  kInternal,               // a broken invariant of ours
  kProtocolViolation,      // the peer sent bytes that the protocol does not allow
  kUnsupported,            // legal, but not proven exact across shards, or not supported: refused
  kSyntaxError,            // libpg_query could not parse it
  kTooComplex,             // nesting beyond our bound
  kAuthFailed,             // wrong password, unknown user
  kAuthRejected,           // connection not allowed at all (TLS required, no user name)
  kUnknownDatabase,        // no such database in the configuration
  kTooManyClients,         // client limit reached
  kWaitTimeout,            // no server connection within the pool's wait timeout
  kServerUnavailable,      // the server a statement needs cannot be reached
  kServerDown,             // the server does not take connections now: perhaps later, or another one in its place
  kPrimaryMoved,           // another server of the shard is its primary now: to be asked instead
  kServerLost,             // the server connection broke while a statement was under way
  kQueryCanceled,          // canceled by the client before it reached a server
  kShuttingDown,           // the proxy drains
  kIdleTimeout,            // a client that sent nothing for too long
  kIdleInTransaction,      // ... inside a transaction
  kTransactionTimeout,     // a transaction that took too long
  kDeadlock,               // transactions that wait for each other's server connections
  kInFailedTransaction,    // statement inside an aborted transaction
  kActiveTransaction,      // statement that may not run inside a transaction
  kNoActiveTransaction,    // statement that needs a transaction
  kDuplicateStatement,     // prepared statement name exists
  kUnknownStatement,       // prepared statement name does not exist
  kUnknownCursor,          // portal or cursor does not exist
  kDuplicateCursor,        // portal or cursor exists
  kUnknownSavepoint,       // savepoint does not exist
  kReadOnlyTransaction,    // write inside a READ ONLY transaction
  kSerializationFailure,   // a distributed transaction had to abort: safe to repeat
  kOutcomeUnknown,         // a distributed commit may or may not have happened
  kStaleMap,               // shard map moved on (ZH001 inside)
  kWrongServer,            // a server is not the shard it was configured as (ZH002 inside)
  kUndefinedTable,         // relation does not exist in the catalog
  kUndefinedSetting,       // unrecognized howdah.* parameter
  kInvalidValue,           // a value out of its domain
  kInsufficientPrivilege,  // admin command by a non-admin
  kProgramLimit,           // a configured limit on size or count
  kRateLimited,            // a rate limit of the configuration is used up for now
  kBlocked,                // an operator has blocked this statement
  kBreakerOpen,            // the server a statement needs is sick, and left alone for a while
  kConfig,                 // faulty configuration
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one line, lower case, no full stop: PostgreSQL's message style
  std::string detail;   // why; may be empty
  std::string hint;     // what to do; may be empty
  int position = 0;     // 1-based character position in the statement text, 0 for none
  std::string sqlstate = {};  // as a server gave it, where it is to be passed on; empty: the code's own

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = boost::system::result<T, Error>;

inline Error make_error(ErrorCode code, std::string message, std::string hint = {}, std::string detail = {}) {
  return Error{code, std::move(message), std::move(detail), std::move(hint), 0, {}};
}

// Result::value() on an error is a programming error; it ends in an exception that nothing catches.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace howdah
