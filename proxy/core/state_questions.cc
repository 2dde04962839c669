#include "proxy/core/state_questions.h"

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/settings.h"

namespace howdah::proxy {

using sharding::sql::PinReason;

namespace {

const char* question(PinReason reason) {
  switch (reason) {
    case PinReason::kTemporaryTable:
      return "EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid = 2615 AND refobjid = pg_catalog.pg_my_temp_schema())";
    case PinReason::kHoldCursor:
      return "EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)";
    case PinReason::kAdvisoryLock:
      return "EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid())";
    default:
      return "true";
  }
}

}  // namespace

const char* const kSessionSettings = "SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session'";

const std::vector<Pins::Reason>& askable() {
  static const std::vector<Pins::Reason> reasons = {PinReason::kTemporaryTable, PinReason::kHoldCursor,
                                                    PinReason::kAdvisoryLock};
  return reasons;
}

std::string state_question(const std::vector<std::string>& names, Pins kinds) {
  std::string sql;
  const auto column = [&](const std::string& text) { sql += (sql.empty() ? "SELECT " : ",") + text; };
  for (const auto& name : names) column("pg_catalog.current_setting(" + quote_literal(name) + ",true)");
  for (const auto reason : askable()) {
    if (kinds.has(reason)) column(question(reason));
  }
  return sql;
}

std::vector<Row> rows_of(std::string_view messages) {
  std::vector<Row> rows;
  pgwire::Frame frame;
  while (pgwire::next_frame(messages, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    pgwire::DataRow row;
    if (frame.type == pgwire::be::kDataRow && decode(frame.body, row)) {
      auto& out = rows.emplace_back();
      for (const pgwire::Value value : row.values) {
        out.push_back(value.null ? std::nullopt : std::optional<std::string>(value.bytes));
      }
    }
    messages.remove_prefix(frame.whole.size());
  }
  return rows;
}

}  // namespace howdah::proxy
