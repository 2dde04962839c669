// What a server says of the texts of a query that was taken apart. https://www.postgresql.org/docs/15/protocol-flow.html
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/gather_query.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/sql/gather.h"

namespace howdah::proxy {

namespace be = pgwire::be;
namespace sql = sharding::sql;
using pgwire::OwedKind;
using sharding::Fit;
using sharding::GatheredColumn;

namespace {

// Calls `take` with type and body of each message.
template <class Take>
void for_each_message(Bytes replies, Take take) {
  pgwire::Header header;
  while (pgwire::peek_header(replies, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && replies.size() >= header.total) {
    take(header.type, replies.substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize));
    replies.remove_prefix(header.total);
  }
}

std::vector<pgwire::FieldDescription> fields_of(Bytes body) {
  std::vector<pgwire::FieldDescription> out;
  pgwire::RowDescription description;
  if (!decode(body, description)) return out;
  pgwire::FieldDescription field;
  for (Bytes rest = description.fields; pgwire::RowDescription::next(rest, field);) out.push_back(field);
  return out;
}

}  // namespace

bool GatherQuery::refuse(std::string detail) {
  return fail(make_error(ErrorCode::kUnsupported, "this query is not supported over several shards", "Name one value of the sharding key.",
                         std::move(detail)));
}

std::string GatherQuery::cache_key() const {
  std::string key = std::to_string(session_.scope());
  if (portal_ != nullptr) {
    for (const Oid type : portal_->statement->types) key += "," + std::to_string(type);
  }
  return key.append(1, '\0').append(query_);
}

Task<bool> GatherQuery::describe() {
  Session& s = session_;
  const std::string key = cache_key();
  if (const auto known = s.worker_.gathers.find(key); known != s.worker_.gathers.end()) {
    parts_ = known->second;
    co_return true;
  }
  const DatabaseView& database = *s.pools_->database;
  sql::AnalyzeContext context;
  const auto snapshot = database.snapshot();
  context.catalog = snapshot.catalog.get();
  context.rules = &database.config().rules;
  context.drift = snapshot.drift.get();
  context.search_path = s.search_path();
  context.lexer.standard_conforming_strings = s.standard_conforming_strings();
  const auto forms = sql::gather_forms(query_, *statement_.spread, portal_ == nullptr ? std::vector<Oid>() : portal_->statement->types, context);
  if (!forms) co_return fail(forms.error());
  GatherParts parts;
  if (!co_await describe_client_text(parts)) co_return false;
  for (const auto& form : *forms) {
    Fit fit = Fit::kNever;
    if (!co_await describe_lower(form, parts, fit)) co_return false;
    if (fit == Fit::kNextForm) continue;
    if (fit == Fit::kNever) break;
    if (!co_await describe_upper(form, parts)) co_return false;
    if (s.worker_.gathers.size() >= kMostGathers) s.worker_.gathers.clear();
    parts_ = std::make_shared<const GatherParts>(std::move(parts));
    if (key.size() <= kLongestKept) s.worker_.gathers.emplace(key, parts_);
    co_return true;
  }
  co_return refuse("It uses a column of a type that cannot be carried from shard to shard.");
}

Task<bool> GatherQuery::describe_text(std::string_view text, std::span<const Oid> types, Described& out) {
  std::string message, replies;
  std::vector<Oid> room;
  pgwire::append_parse(message, "", text, types_here(types, upper_->pool().object_ids(), room));
  upper_->statements.unnamed = 0;
  owe(*upper_, OwedKind::kParse, false);
  pgwire::append_describe(message, 'S', "");
  owe(*upper_, OwedKind::kDescribeStatement, true);
  pgwire::append_sync(message);
  owe(*upper_, OwedKind::kSync, false);
  const bool ok = co_await exchange(message, replies);
  for_each_message(replies, [&out](char type, Bytes body) {
    if (type == be::kRowDescription) out.rows = body;
    pgwire::ParameterDescription params;
    if (type != be::kParameterDescription || !decode(body, params)) return;
    out.params_known = true;
    for (std::size_t i = 0; i < params.count; ++i) out.params.push_back(params.type(i));
  });
  co_return ok && out.params_known;
}

Task<bool> GatherQuery::describe_client_text(GatherParts& parts) {
  Described told;
  const std::vector<Oid> types = portal_ == nullptr ? std::vector<Oid>() : portal_->statement->types;
  if (!co_await describe_text(query_, types, told)) co_return fail_on(*upper_, true);
  parts.params = std::move(told.params);
  parts.description = std::move(told.rows);
  co_return true;
}

Task<bool> GatherQuery::describe_lower(const sql::Gather& form, GatherParts& parts, Fit& fit) {
  Described told;
  parts.lower = form.lower();
  if (!co_await describe_text(parts.lower, parts.params, told)) {
    if (session_.closing_ || upper_->lost()) co_return fail_on(*upper_, false);
    co_return refuse("It cannot be taken apart into what each shard does and what is left to do.");
  }
  parts.columns.clear();
  bool unknown = false;
  for (const auto& field : fields_of(told.rows)) {
    GatheredColumn column;
    column.name = field.name;
    column.type = field.type;
    unknown = !sharding::carry(field.type, column) || unknown;
    parts.columns.push_back(column);
  }
  for (std::size_t i = 0; i < form.inputs.size(); ++i) {
    const std::size_t end = i + 1 < form.inputs.size() ? form.inputs[i + 1].first : parts.columns.size();
    for (std::size_t column = form.inputs[i].first; column < end && column < parts.columns.size(); ++column) {
      parts.columns[column].input = static_cast<std::uint16_t>(i);
    }
  }
  if (unknown && !co_await name_types(parts.columns)) co_return false;
  fit = sharding::fits(form, parts.columns);
  co_return true;
}

Task<bool> GatherQuery::describe_upper(const sql::Gather& form, GatherParts& parts) {
  std::vector<std::string> names;
  const auto wanted = fields_of(parts.description);
  for (const auto& field : wanted) names.emplace_back(field.name);
  const auto text = sharding::upper_text(form, parts.columns, names, parts.params.size() + 1);
  if (!text) co_return fail(text.error());
  parts.upper = *text;
  parts.upper_params = parts.params;
  for (const auto& column : parts.columns) parts.upper_params.push_back(column.array);
  if (parts.upper_params.size() > 0xffff) co_return refuse("It has too many columns.");
  Described told;
  if (!co_await describe_text(parts.upper, parts.upper_params, told)) {
    if (session_.closing_ || upper_->lost()) co_return fail_on(*upper_, false);
    co_return refuse("It cannot be taken apart into what each shard does and what is left to do.");
  }
  const auto got = fields_of(told.rows);
  const bool same = std::equal(got.begin(), got.end(), wanted.begin(), wanted.end(),
                               [](const auto& a, const auto& b) { return a.type == b.type && a.name == b.name; });
  if (!same) co_return refuse("The type of a column would be another one.");
  co_return true;
}

// Enums are read by their names. Other types of users' stay as they are: not known.
Task<bool> GatherQuery::name_types(std::vector<GatheredColumn>& columns) {
  std::string message, replies, list;
  const schema::ObjectIds* ids = upper_->pool().object_ids();
  const auto here = [ids](Oid type) { return std::to_string(ids == nullptr ? type : ids->type_here(type)); };
  std::vector<std::pair<std::string, GatheredColumn*>> unknown;  // by the number that this server has for the type
  for (auto& column : columns) {
    if (column.array != 0 || column.type < schema::ObjectIds::kFirstUserOid) continue;
    unknown.emplace_back(here(column.type), &column);
    list += (list.empty() ? "" : ", ") + unknown.back().first;
  }
  if (list.empty()) co_return true;
  pgwire::append_query(message, "SELECT oid, pg_catalog.format_type(oid, NULL) FROM pg_catalog.pg_type WHERE typtype = 'e' AND oid IN (" + list + ")");
  owe(*upper_, OwedKind::kQuery, true);
  if (!co_await exchange(message, replies)) co_return fail_on(*upper_, false);
  for_each_message(replies, [&unknown](char type, Bytes body) {
    pgwire::DataRow row;
    if (type != be::kDataRow || !decode(body, row)) return;
    std::string oid, name;
    for (const pgwire::Value value : row.values) (oid.empty() ? oid : name) = value.bytes;
    for (const auto& [number, column] : unknown) {
      if (number == oid) sharding::carry_as_text(name, *column);
    }
  });
  co_return true;
}

}  // namespace howdah::proxy
