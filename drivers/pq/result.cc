#include "drivers/pq/result.h"

#include <charconv>
#include <stdexcept>

namespace howdah::pq {

namespace {

std::int64_t parse_integer(std::string_view text) {
  std::int64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc{} && end == text.data() + text.size() ? value : 0;
}

ErrorCode code_of(const PgError& error) {
  if (error.kind == PgError::Kind::kStopped) return ErrorCode::kShuttingDown;
  if (error.kind != PgError::Kind::kServer) return ErrorCode::kServerUnavailable;
  if (error.sqlstate == "ZH001") return ErrorCode::kStaleMap;
  if (error.sqlstate == "ZH002") return ErrorCode::kWrongServer;
  if (error.sqlstate.starts_with("28")) return ErrorCode::kAuthFailed;
  if (error.sqlstate == "42501") return ErrorCode::kInsufficientPrivilege;
  if (error.sqlstate.starts_with("57P")) return ErrorCode::kServerUnavailable;  // shutting or starting up
  return ErrorCode::kInternal;
}

}  // namespace

void throw_exception_from_error(const PgError& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

std::int64_t PgResult::integer(int row, int column) const {
  return parse_integer(get(row, column));
}

std::int64_t PgResult::affected() const {
  return parse_integer(PQcmdTuples(result_.get()));
}

Error to_error(const PgError& error, const std::string& what) {
  std::string detail = error.detail;
  if (!error.sqlstate.empty()) detail = "SQLSTATE " + error.sqlstate + (detail.empty() ? "" : ": " + detail);
  return make_error(code_of(error), what + ": " + error.message, error.hint, std::move(detail));
}

}  // namespace howdah::pq
