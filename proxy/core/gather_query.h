// One query over several shards whose last step needs all rows together: its lower part runs on every shard, the proxy holds
// their rows, and its upper part runs over these on one of the servers, whose answer is the client's (ADR 0015).
//
//   describe    one server says what the client's text takes and gives, and whether both parts are as we think
//   collect     every shard runs the lower part
//   answer      one server runs the upper part
//
// gather_query.cc     collect, answer
// gather_describe.cc  describe
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "drivers/pgwire/pipeline.h"
#include "proxy/core/extended.h"
#include "proxy/core/task.h"
#include "sharding/clock_text.h"
#include "sharding/merge/gather_text.h"
#include "sharding/router.h"

namespace howdah::proxy {

class ServerConn;
class Session;

// A query that was taken apart, its texts complete: the same for every execution. Kept by the worker, by scope, text and types.
struct GatherParts {
  std::vector<Oid> params;         // of the client's parameters
  std::string description;         // body of the client's RowDescription, its formats text
  std::string lower, upper;
  std::vector<sharding::GatheredColumn> columns;
  std::vector<Oid> upper_params;   // the client's, and behind them an array per column
};
using GatherPartsPtr = std::shared_ptr<const GatherParts>;
inline constexpr std::size_t kMostGathers = 256;  // of one worker
inline constexpr std::size_t kLongestKept = 16 * 1024;

// Works on behalf of one session, on its thread, for one statement. `portal` is null for a simple query; it and `query` outlive
// the call of run().
class GatherQuery {
 public:
  // Of a query that reads the clock: `text` is the client's with symbolic times, and `query` what it says.
  struct Clock {
    std::shared_ptr<const sharding::EditedText> text;
    sharding::ClockTimes times;
  };
  GatherQuery(Session& session, const sharding::sql::StatementPlan& statement, const sharding::Route& route, std::string_view query,
              const Portal* portal, Clock clock)
      : session_(session), statement_(statement), route_(route), query_(query), portal_(portal), clock_(std::move(clock)) {}

  // False: the client has its error. Afterwards no connection owes anything.
  Task<bool> run();

 private:
  Task<bool> link_shards();
  Task<bool> run_parts();
  bool fail(const Error& error);
  bool fail_on(ServerConn& conn, bool own_text);
  // Sends `out` and takes what is forwarded of the replies. False: an error, or the connection is lost.
  Task<bool> exchange(std::string_view out, std::string& replies);
  void owe(ServerConn& conn, pgwire::OwedKind kind, bool forward);

  // gather_describe.cc
  struct Described {
    bool params_known = false;
    std::vector<Oid> params;
    std::string rows;              // RowDescription's body; empty: none came
  };
  Task<bool> describe();
  Task<bool> describe_text(std::string_view text, std::span<const Oid> types, Described& out);
  Task<bool> describe_client_text(GatherParts& parts);
  Task<bool> describe_lower(const sharding::sql::Gather& form, GatherParts& parts, sharding::Fit& fit);
  Task<bool> describe_upper(const sharding::sql::Gather& form, GatherParts& parts);
  Task<bool> name_types(std::vector<sharding::GatheredColumn>& columns);
  bool refuse(std::string detail);
  std::string cache_key() const;
  std::string timed(const std::string& text) const;

  Task<bool> collect();
  void send_lower(ServerConn& conn);
  enum class Took { kMore, kDone, kFailed };
  Took take(ServerConn& conn, sharding::GatheredRows& rows);
  Task<bool> answer(sharding::GatheredRows& rows);
  bool numbers_differ() const;
  std::string upper_message(sharding::GatheredRows& rows) const;
  void tell_columns();

  Session& session_;
  const sharding::sql::StatementPlan& statement_;
  const sharding::Route& route_;
  std::string_view query_;
  const Portal* portal_;
  Clock clock_;
  std::vector<ServerConn*> conns_;
  ServerConn* upper_ = nullptr;    // one of them
  GatherPartsPtr parts_;
  std::unique_ptr<sharding::GatheredRows> rows_;
};

}  // namespace howdah::proxy
