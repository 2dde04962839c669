#include "proxy/core/errors.h"

#include "drivers/pgwire/backend.h"

namespace howdah::proxy {

std::string_view sqlstate(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal: return "XX000";
    case ErrorCode::kProtocolViolation: return "08P01";
    case ErrorCode::kUnsupported: return "0A000";
    case ErrorCode::kSyntaxError: return "42601";
    case ErrorCode::kTooComplex: return "54001";
    case ErrorCode::kAuthFailed: return "28P01";
    case ErrorCode::kAuthRejected: return "28000";
    case ErrorCode::kUnknownDatabase: return "3D000";
    case ErrorCode::kTooManyClients: return "53300";
    case ErrorCode::kWaitTimeout: return "53300";
    case ErrorCode::kServerUnavailable: return "08006";
    case ErrorCode::kServerDown: return "08006";
    case ErrorCode::kPrimaryMoved: return "08006";
    case ErrorCode::kServerLost: return "08006";
    case ErrorCode::kQueryCanceled: return "57014";
    case ErrorCode::kShuttingDown: return "57P01";
    case ErrorCode::kIdleTimeout: return "57P05";
    case ErrorCode::kIdleInTransaction: return "25P03";
    case ErrorCode::kTransactionTimeout: return "25P04";
    case ErrorCode::kDeadlock: return "40P01";
    case ErrorCode::kInFailedTransaction: return "25P02";
    case ErrorCode::kActiveTransaction: return "25001";
    case ErrorCode::kNoActiveTransaction: return "25P01";
    case ErrorCode::kDuplicateStatement: return "42P05";
    case ErrorCode::kUnknownStatement: return "26000";
    case ErrorCode::kUnknownCursor: return "34000";
    case ErrorCode::kDuplicateCursor: return "42P03";
    case ErrorCode::kUnknownSavepoint: return "3B001";
    case ErrorCode::kReadOnlyTransaction: return "25006";
    case ErrorCode::kSerializationFailure: return "40001";
    case ErrorCode::kOutcomeUnknown: return "08007";
    case ErrorCode::kStaleMap: return "40001";
    case ErrorCode::kWrongServer: return "08004";
    case ErrorCode::kUndefinedTable: return "42P01";
    case ErrorCode::kUndefinedSetting: return "42704";
    case ErrorCode::kInvalidValue: return "22023";
    case ErrorCode::kInsufficientPrivilege: return "42501";
    case ErrorCode::kProgramLimit: return "54000";
    case ErrorCode::kRateLimited: return "53400";
    case ErrorCode::kBlocked: return "42501";
    case ErrorCode::kBreakerOpen: return "57P03";
    case ErrorCode::kConfig: return "F0000";
  }
  return "XX000";
}

void append_error_response(std::string& out, const Error& error, std::string_view severity) {
  pgwire::ErrorFields fields;
  fields.severity = severity;
  fields.sqlstate = error.sqlstate.empty() ? sqlstate(error.code) : std::string_view(error.sqlstate);
  fields.message = error.message;
  fields.detail = error.detail;
  fields.hint = error.hint;
  fields.position = error.position;
  pgwire::append_error(out, fields);
}

void append_warning(std::string& out, std::string_view state, std::string_view message) {
  pgwire::ErrorFields fields;
  fields.severity = "WARNING";
  fields.sqlstate = state;
  fields.message = message;
  pgwire::append_notice(out, fields);
}

}  // namespace howdah::proxy
