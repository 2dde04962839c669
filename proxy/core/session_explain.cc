// SHOW howdah.route, and EXPLAIN (HOWDAH): where a statement ran, or would run.
#include <bit>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/extended_rules.h"
#include "proxy/core/route_text.h"
#include "proxy/core/session.h"
#include "proxy/core/sql_prepare.h"
#include "proxy/core/worker.h"
#include "sharding/merge/shard_text.h"
#include "sharding/write/insert_rows.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sharding::Route;
using sql::Verb;

namespace {

// The type of arrays of a key type. Source: pg_type.dat.
Oid array_of(Oid type) {
  switch (type) {
    case schema::kInt2Oid: return 1005;
    case schema::kInt4Oid: return 1007;
    case schema::kInt8Oid: return 1016;
    case schema::kUuidOid: return 2951;
    case schema::kVarcharOid: return 1015;
    default: return 1009;
  }
}

}  // namespace

std::string Session::shard_names(std::uint64_t mask) const {
  std::string names;
  const auto& shards = pools_->database->config().shards;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if ((mask >> (i & 63u) & 1u) != 0) names += (names.empty() ? "" : ",") + shards[i].name;
  }
  return names;
}

std::string Session::server_name(ServerId server) const {
  const auto& target = pools_->pool(server).target();
  return (target.replica ? "replica " : "primary ") + target.describe();
}

void Session::note_many(const Plan& statement, const Route& route) {
  const std::size_t shards = pools_->primaries.size();
  const std::uint64_t all = shards >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << shards) - 1;
  route_mask_ = route.kind == Route::Kind::kManyShards ? route.mask & all : all;
  route_plan_ = many_text(statement, route);
}

bool Session::send_route(const RouteText& text) {
  worker_.scratch.clear();
  // Execute answers without a row description.
  if (!ext_ || !ext_->active) pgwire::append_text_row_description(worker_.scratch, {"shards", "server", "reason", "plan"});
  const std::optional<Bytes> row[] = {Bytes(text.shards), Bytes(text.server), Bytes(text.reason), Bytes(text.plan)};
  pgwire::append_data_row(worker_.scratch, row);
  send(worker_.scratch);
  return true;
}

bool Session::show_route() {
  RouteText text;
  text.shards = shard_names(route_mask_);
  const bool one = std::popcount(route_mask_) == 1;
  if (route_server_ != kNoServer && one) text.server = server_name(ServerId(route_server_));
  text.reason = route_reason_;
  text.plan = one ? "one shard" : route_mask_ == 0 ? "" : route_plan_;
  send_route(text);
  answer("SHOW");
  return true;
}

// What ParameterDescription says of the parameters of an EXPLAIN (HOWDAH): no server is asked.
std::vector<Oid> Session::explained_types(const Plan& plan, const std::vector<Oid>& types) const {
  std::vector<Oid> out = types;
  const auto take = [&](const std::vector<sql::Pin>& pins) {
    for (const auto& pin : pins) {
      for (const auto& source : pin.any_of) {
        const bool array = source.kind == sql::KeySource::Kind::kParamArray;
        if (!array && source.kind != sql::KeySource::Kind::kParam) continue;
        if (out.size() <= source.index) out.resize(source.index + 1);
        Oid& type = out[source.index];
        if (type != 0 && type != schema::kUnknownOid) continue;
        type = source.cast != 0 ? source.cast : pin.column_type;
        if (array) type = array_of(type);
      }
    }
  };
  take(plan.pins);
  if (plan.spread) take(plan.spread->pins);
  if (plan.many_write) take(plan.many_write->pins);
  if (plan.many_write && plan.many_write->move) take({plan.many_write->move->stored});
  for (Oid& type : out) {
    if (type == 0 || type == schema::kUnknownOid) type = schema::kTextOid;
  }
  return out;
}

// `portal`: its parameters have values; in a simple query they have none.
bool Session::explain_route(const Plan& plan, std::string_view text, const Portal* portal) {
  std::vector<sharding::BoundParam> params;
  const sql::LexerOptions options{standard_conforming_strings()};
  if (portal != nullptr) {
    std::vector<Oid> types = portal->statement->types;
    types.resize(std::max<std::size_t>(types.size(), portal->plan->params));
    types = explained_types(*plan.explained, types);
    read_params(*portal, types, params);
  } else {
    sql::tokenize(text, options, worker_.tokens);
  }
  const std::span<const sql::Slot> slots = portal != nullptr ? portal->statement->slots : worker_.tokens.slots;
  const auto out = route_text(*plan.explained, text, values_of(text, slots, params), sql::hint_before(text, plan.begin, options));
  if (!out) return fail_statement(out.error());
  send_route(*out);
  answer("EXPLAIN");
  return true;
}

// A row also of what is refused; an error for what is wrong.
Result<Session::RouteText> Session::route_text(const Plan& statement, std::string_view text, const sharding::Values& values,
                                               std::string_view comment) {
  const auto refused = [](const Error& error) -> Result<RouteText> {
    if (error.code != ErrorCode::kUnsupported) return error;
    return RouteText{"", "", refused_reason(error), refused_plan(error)};
  };
  if (SqlPrepare execute(*this, statement, text); execute.executes()) {
    const auto found = execute.resolve();
    if (!found) return refused(found.error());
    if (!found->target) return no_statement(found->at.name);
    return placed_text(found->run, found->route);
  }
  if (const std::string by = undecided(statement, values.params.size()); !by.empty()) {
    return RouteText{by, "", reason_of(statement), undecided_text(statement)};
  }
  const auto route = route_of(statement, values, comment);
  if (!route) return refused(route.error());
  if (const auto refusal = refused_later(statement, *route, text)) return refused(*refusal);
  return placed_text(statement, *route);
}

// What is refused only when the statement runs.
std::optional<Error> Session::refused_later(const Plan& statement, const Route& route, std::string_view text) const {
  if (statement.pin != sql::PinReason::kNone) {
    if (auto refusal = refused_state(statement)) return refusal;
  }
  if (route.kind != Route::Kind::kManyShards) return std::nullopt;
  const sql::LexerOptions options{standard_conforming_strings()};
  const bool explains = statement.verb == Verb::kExplain;
  const std::uint32_t begin = explains ? statement.inner_begin : statement.begin;
  const std::string_view own = text.substr(begin, statement.end - begin);
  if (statement.spread && !statement.many_copy && !statement.spread->gathers) {
    const auto part = sharding::shard_text(own, *statement.spread, route.limit, route.offset, options);
    if (!part) return part.error();
  }
  if (statement.many_write && statement.many_write->by_rows) {
    const auto rows = sharding::find_rows(own, statement.many_write->pins.front().any_of.size(), options);
    if (!rows) return rows.error();
  }
  if (statement.many_write && !tx_.active() && refuses_default_isolation()) return needs_read_committed();
  return std::nullopt;
}

Session::RouteText Session::placed_text(const Plan& statement, const Route& route) {
  RouteText out;
  out.reason = reason_of(statement);
  if (route.kind == Route::Kind::kAllShards || route.kind == Route::Kind::kManyShards) {
    out.shards = shard_names(route.kind == Route::Kind::kAllShards ? ~std::uint64_t{0} : route.mask);
    out.plan = many_text(statement, route);
    return out;
  }
  if (proxy_handles(statement)) {
    out.reason = "answered by the proxy";
    return out;
  }
  const ShardId shard = shard_for(route, statement);
  const ServerConn* conn = linked(shard);
  const bool wished = route.read_from != sharding::ReadFrom::kDefault;
  const ServerId server = conn != nullptr ? conn->pool().target().server
                          : wished        ? wished_server(shard, statement, route.read_from)
                                          : server_for(shard, statement);
  handover_ = kNoServer;
  out.shards = pools_->database->config().shards[shard.value()].name;
  out.server = server_name(server);
  out.plan = "one shard";
  return out;
}

}  // namespace howdah::proxy
