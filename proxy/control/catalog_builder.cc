#include "proxy/control/catalog_queries.h"

#include <algorithm>

namespace howdah::control {

namespace {

Oid oid_of(const pq::PgResult& rows, int row, int column) {
  return static_cast<Oid>(rows.integer(row, column));
}

char letter(const pq::PgResult& rows, int row, int column) {
  auto text = rows.get(row, column);
  return text.empty() ? '\0' : text.front();
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

void CatalogBuilder::take(CatalogQuery query, const pq::PgResult& rows) {
  switch (query) {
    case kFingerprintQuery:
      fingerprint_ = rows.text(0, 0);
      break;
    case kSchemasQuery:
      take_schemas(rows);
      break;
    case kDomainsQuery:
      take_domains(rows);
      break;
    case kRelationsQuery:
      take_relations(rows);
      break;
    case kColumnsQuery:
      take_columns(rows);
      break;
    case kUniqueKeysQuery:
      take_unique_keys(rows);
      break;
    case kFunctionsQuery:
      take_functions(rows);
      break;
    case kCodeStateQuery:
      take_code_state(rows);
      break;
    case kViewsQuery:
      take_views(rows);
      break;
    case kCatalogQueries:
      break;
  }
}

void CatalogBuilder::take_schemas(const pq::PgResult& rows) {
  for (int i = 0; i < rows.rows(); ++i) schemas_.push_back(rows.text(i, 0));
  bytewise_collation_ = rows.rows() > 0 && rows.flag(0, 1);
}

void CatalogBuilder::take_domains(const pq::PgResult& rows) {
  for (int i = 0; i < rows.rows(); ++i) domains_[oid_of(rows, i, 0)] = {oid_of(rows, i, 1), rows.flag(i, 2)};
}

void CatalogBuilder::take_relations(const pq::PgResult& rows) {
  relations_.reserve(static_cast<std::size_t>(rows.rows()));
  for (int i = 0; i < rows.rows(); ++i) {
    schema::Relation relation;
    relation.oid = oid_of(rows, i, 0);
    relation.schema = rows.text(i, 1);
    relation.name = rows.text(i, 2);
    relation.kind = static_cast<schema::RelationKind>(letter(rows, i, 3));
    relation.temporary = letter(rows, i, 4) == 't';
    relation.unlogged = letter(rows, i, 4) == 'u';
    relation.parent = oid_of(rows, i, 5);
    relation.multiple_parents = rows.integer(i, 6) > 1;
    relation.has_triggers = rows.flag(i, 7);
    relation.has_rules = rows.flag(i, 8);
    relation.row_security = rows.flag(i, 9);
    relation.has_children = rows.flag(i, 10);
    relation.referenced = rows.flag(i, 11);
    by_oid_[relation.oid] = relations_.size();
    relations_.push_back(std::move(relation));
  }
}

schema::Relation* CatalogBuilder::relation(Oid oid) {
  auto found = by_oid_.find(oid);
  return found == by_oid_.end() ? nullptr : &relations_[found->second];
}

void CatalogBuilder::take_views(const pq::PgResult& rows) {
  for (int i = 0; i < rows.rows(); ++i) {
    if (auto* view = relation(oid_of(rows, i, 0))) view->definition = rows.text(i, 1);
  }
}

void CatalogBuilder::take_columns(const pq::PgResult& rows) {
  for (int i = 0; i < rows.rows(); ++i) {
    auto* owner = relation(oid_of(rows, i, 0));
    if (owner == nullptr) continue;
    schema::Column column;
    column.name = rows.text(i, 1);
    column.type = oid_of(rows, i, 2);
    column.not_null = rows.flag(i, 3);
    column.has_default = rows.flag(i, 4);
    column.deterministic_collation = rows.flag(i, 5);
    column.own_collation = rows.flag(i, 9);
    column.generated = rows.flag(i, 6);
    column.identity_always = rows.flag(i, 7);
    column.default_text = rows.text(i, 8);
    column.portable = rows.flag(i, 10);
    // A domain may be over a domain.
    for (auto domain = domains_.find(column.type); domain != domains_.end();
         domain = domains_.find(column.type)) {
      column.is_domain = true;
      column.has_default = column.has_default || domain->second.has_default;
      column.type = domain->second.base;
    }
    owner->columns.push_back(std::move(column));
  }
}

void CatalogBuilder::take_unique_keys(const pq::PgResult& rows) {
  Oid index = 0;
  for (int i = 0; i < rows.rows(); ++i) {
    auto* owner = relation(oid_of(rows, i, 0));
    if (owner == nullptr) continue;
    if (index != oid_of(rows, i, 1)) owner->unique_keys.emplace_back();
    index = oid_of(rows, i, 1);
    owner->unique_keys.back().push_back(rows.text(i, 2));
  }
}

void CatalogBuilder::take_functions(const pq::PgResult& rows) {
  functions_.reserve(static_cast<std::size_t>(rows.rows()));
  for (int i = 0; i < rows.rows(); ++i) {
    schema::Function function;
    function.schema = rows.text(i, 0);
    function.name = rows.text(i, 1);
    function.volatility = static_cast<schema::Volatility>(letter(rows, i, 2));
    function.is_builtin = rows.flag(i, 3);
    function.is_aggregate = rows.flag(i, 4);
    function.returns_set = rows.flag(i, 5);
    function.names_settings_at_run_time = rows.flag(i, 6);
    function.overloads = lines(rows.text(i, 7));
    functions_.push_back(std::move(function));
  }
}

void CatalogBuilder::take_code_state(const pq::PgResult& rows) {
  if (rows.rows() == 0) return;
  code_state_.settings = rows.flag(0, 0);
  code_state_.locks = rows.flag(0, 1);
  code_state_.temporary = rows.flag(0, 2);
  code_state_.cursors = rows.flag(0, 3);
  code_state_.in_triggers = rows.flag(0, 4);
  code_state_.names = lines(rows.text(0, 5));
}

// A write to a table fires the triggers of its partitions and children, too, and those that foreign keys to these have.
void CatalogBuilder::mark_ancestors(bool schema::Relation::* mark) {
  for (const auto& relation : relations_) {
    if (!(relation.*mark)) continue;
    for (auto* at = this->relation(relation.parent); at != nullptr && !(at->*mark); at = this->relation(at->parent)) at->*mark = true;
  }
}

std::shared_ptr<const schema::Catalog> CatalogBuilder::build(std::uint64_t version) {
  auto catalog = std::make_shared<schema::Catalog>();
  mark_ancestors(&schema::Relation::has_triggers);
  mark_ancestors(&schema::Relation::referenced);
  for (auto& name : schemas_) catalog->add_schema(std::move(name));
  for (auto& relation : relations_) catalog->add(std::move(relation));
  for (auto& function : functions_) catalog->add(std::move(function));
  catalog->set_version(version);
  catalog->set_bytewise_collation(bytewise_collation_);
  catalog->set_code_state(std::move(code_state_));
  return catalog;
}

}  // namespace howdah::control
