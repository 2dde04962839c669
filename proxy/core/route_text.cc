#include "proxy/core/route_text.h"

#include <set>

#include "proxy/core/errors.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::KeySource;
using sql::Where;

namespace {

std::string count_text(const char* name, const sql::RowCount& count, std::int64_t value, std::int64_t none, bool bound) {
  if (count.kind == sql::RowCount::Kind::kNone) return {};
  if (!bound && count.kind == sql::RowCount::Kind::kParam) return std::string("; ") + name + " $" + std::to_string(count.index + 1);
  return value == none ? std::string() : std::string("; ") + name + " " + std::to_string(value);
}

std::string sort_text(const sql::SortKey& key) {
  std::string out = key.hidden ? "expression " + std::to_string(key.item + 1) + " of ORDER BY" : std::to_string(key.column + 1);
  if (key.descending) out += " desc";
  if (key.nulls_first != key.descending) out += key.nulls_first ? " nulls first" : " nulls last";
  return out;
}

std::string write_text(const sql::ManyWrite& write) {
  if (write.move) return "write: rows go to the shards of their new keys, in one atomic transaction";
  return write.by_rows ? "write: each shard its rows, in one atomic transaction" : "write: on each shard, in one atomic transaction";
}

std::string copy_text(const sql::ManyCopy& copy) {
  if (!copy.in) return "copy: one stream of all shards' rows";
  return copy.reference ? "copy: every row to every shard, in one atomic transaction" : "copy: each row to the shard of its key, in one atomic transaction";
}

void add_params(const std::vector<sql::Pin>& pins, std::size_t bound, std::set<std::uint32_t>& out) {
  for (const auto& pin : pins) {
    for (const auto& source : pin.any_of) {
      const bool param = source.kind == KeySource::Kind::kParam || source.kind == KeySource::Kind::kParamArray;
      if (param && source.index >= bound) out.insert(source.index);
    }
  }
}

}  // namespace

const char* reason_of(const sql::StatementPlan& plan) {
  switch (plan.where) {
    case Where::kProxy: return "answered by the proxy";
    case Where::kHome: return "no table of a shard";
    case Where::kAnyShard: return "reference tables only";
    case Where::kKeys: return "sharding key";
    case Where::kShard: return "local table";
    case Where::kManyShards: return "rows of several shards";
    case Where::kAllShards: return "every shard";
    case Where::kCanonical: return "system catalog";
    case Where::kRefused: return "refused";
  }
  return "";
}

std::string merge_text(const sql::Spread& spread, const sharding::Route& route, bool bound) {
  if (spread.assembles) return "gather: the rows of each table, the query over them on one server";
  if (spread.gathers) return "gather: what each shard gives, the last step over it on one server";
  std::string out = "merge: ";
  if (spread.sort.empty()) {
    out += "union";
  } else {
    out += "order by ";
    for (const auto& key : spread.sort) out += (&key == &spread.sort.front() ? "" : ", ") + sort_text(key);
  }
  out += count_text("limit", spread.limit, route.limit, sql::kNoLimit, bound);
  return out + count_text("offset", spread.offset, route.offset, 0, bound);
}

std::string many_text(const sql::StatementPlan& plan, const sharding::Route& route, bool bound) {
  if (route.kind == sharding::Route::Kind::kAllShards) {
    if (plan.no_transaction) return "shard by shard";
    return plan.reference_write ? "write: every copy, in one atomic transaction" : "in one atomic transaction";
  }
  if (plan.many_copy) return copy_text(*plan.many_copy);
  if (plan.many_write) return write_text(*plan.many_write);
  return plan.spread ? merge_text(*plan.spread, route, bound) : std::string();
}

std::string undecided(const sql::StatementPlan& plan, std::size_t bound) {
  std::set<std::uint32_t> params;
  add_params(plan.pins, bound, params);
  if (plan.spread) add_params(plan.spread->pins, bound, params);
  if (plan.many_write) add_params(plan.many_write->pins, bound, params);
  if (plan.many_write && plan.many_write->move) add_params({plan.many_write->move->stored}, bound, params);
  std::string out;
  for (const auto param : params) out += (out.empty() ? "by $" : ", $") + std::to_string(param + 1);
  return out;
}

std::string undecided_text(const sql::StatementPlan& plan) {
  sharding::Route route{sharding::Route::Kind::kManyShards, ShardId()};
  if (plan.where == Where::kManyShards) return many_text(plan, route, false);
  if (plan.many_write || plan.spread) return "one shard, or " + many_text(plan, route, false);
  return plan.one_shard_because.empty() ? "one shard" : "one shard; refused when the values belong to several";
}

std::string refused_reason(const Error& refusal) {
  return "refused: " + refusal.message + (refusal.detail.empty() ? "" : " (" + refusal.detail + ")");
}

std::string refused_plan(const Error& refusal) {
  const std::string_view state = refusal.sqlstate.empty() ? sqlstate(refusal.code) : std::string_view(refusal.sqlstate);
  return "SQLSTATE " + std::string(state) + (refusal.hint.empty() ? "" : "; hint: " + refusal.hint);
}

}  // namespace howdah::proxy
