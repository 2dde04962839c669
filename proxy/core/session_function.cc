// The function call protocol. https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.8
#include <algorithm>

#include "base/bytes.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;

namespace {

// set_config, and what drivers call by this protocol: lo_open, loread, ...
// https://www.postgresql.org/docs/15/lo-interfaces.html
constexpr std::uint32_t kSetConfigOid = 2078;
bool is_large_object_function(std::uint32_t oid) {
  constexpr std::uint32_t known[] = {715, 764, 765, 767, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172, 3457, 3458,
                                     3459, 3460};
  return std::find(std::begin(known), std::end(known), oid) != std::end(known);
}

}  // namespace

Task<> Session::function_call(Bytes whole) {
  if (ext_ && ext_->failed) co_return;  // PostgreSQL skips to Sync
  const bool amid = ext_ && ext_->active;
  if (amid && ext_->unanswered && !co_await settle_bound()) co_return;
  if (amid && (!co_await settle_pending() || !co_await drain_group())) co_return;
  statement_failed_ = ready_sent_ = false;
  Plan plan;
  plan.where = sql::Where::kHome;
  const std::string called(whole.substr(pgwire::kHeaderSize, 4).data(), std::min<std::size_t>(4, whole.size() - pgwire::kHeaderSize));
  if (pools_->database->sharded()) {
    fail_statement(make_error(ErrorCode::kUnsupported, "the function call protocol is not supported with several shards",
                              "call the function in a SELECT"));
  } else if (called.size() < 4) {
    fail_statement(make_error(ErrorCode::kProtocolViolation, "insufficient data left in message"));
  } else if (client_status() == pgwire::TxStatus::kFailed) {
    fail_statement(failed_transaction());
  } else if (amid && !co_await query_amid_group(nullptr, {})) {
    // answered
  } else if (ServerConn* conn = co_await link(ShardId(0), plan)) {
    conn->link.error = conn->link.error_forwarded = false;
    conn->owe({.kind = pgwire::OwedKind::kFunctionCall, .owner = this});
    conn->flush(whole);
    co_await wait_owed(*conn);
    if (!conn->lost()) ready_sent_ = true;
    const auto function = load_be<std::uint32_t>(called.data());
    if (!is_large_object_function(function)) {
      plan.pin = function == kSetConfigOid ? sql::PinReason::kSetConfig : sql::PinReason::kUserCode;
      plan.verb = sql::Verb::kOther;
      note_state(*conn, plan, true);
    }
    note_done(*conn, plan);
    if (conn->lost() && !conn->link.error_forwarded && !closing_) send_lost(*conn);
  }
  if (closing_) co_return;
  if (amid) {
    co_await end_query_amid_group();
    if (closing_) co_return;
  }
  if (settle_) {
    co_await settle();
    if (closing_) co_return;
  }
  release_all_idle();
  if (!ready_sent_) send_ready();
}

}  // namespace howdah::proxy
