#include "schema/catalog.h"

#include <algorithm>

namespace howdah::schema {

namespace {

std::string qualified(std::string_view schema, std::string_view name) {
  std::string key;
  key.reserve(schema.size() + name.size() + 1);
  key.append(schema).push_back('\0');
  key.append(name);
  return key;
}

// Calls `find` with each schema that an unqualified name is looked up in, until it answers non-null.
template <class Find>
auto along_path(std::string_view schema, const std::vector<std::string>& search_path, Find find)
    -> decltype(find(schema)) {
  if (!schema.empty()) return find(schema);
  if (std::find(search_path.begin(), search_path.end(), "pg_catalog") == search_path.end()) {
    if (auto* found = find("pg_catalog")) return found;
  }
  for (const auto& entry : search_path) {
    if (auto* found = find(entry)) return found;
  }
  return nullptr;
}

}  // namespace

const Column* Relation::column(std::string_view column_name) const {
  for (const auto& column : columns) {
    if (column.name == column_name) return &column;
  }
  return nullptr;
}

void Catalog::add(Relation relation) {
  auto key = qualified(relation.schema, relation.name);
  auto shared = std::make_shared<const Relation>(std::move(relation));
  schemas_.insert(shared->schema);
  by_oid_[shared->oid] = shared;
  relations_[std::move(key)] = std::move(shared);
}

void Catalog::add(Function function) {
  auto key = qualified(function.schema, function.name);
  functions_[std::move(key)] = std::move(function);
}

const Relation* Catalog::relation(std::string_view schema, std::string_view name,
                                  const std::vector<std::string>& search_path) const {
  return along_path(schema, search_path, [&](std::string_view in) -> const Relation* {
    auto found = relations_.find(qualified(in, name));
    return found == relations_.end() ? nullptr : found->second.get();
  });
}

const Relation* Catalog::relation(Oid oid) const {
  auto found = by_oid_.find(oid);
  return found == by_oid_.end() ? nullptr : found->second.get();
}

const Function* Catalog::function(std::string_view schema, std::string_view name,
                                  const std::vector<std::string>& search_path) const {
  return along_path(schema, search_path, [&](std::string_view in) -> const Function* {
    auto found = functions_.find(qualified(in, name));
    return found == functions_.end() ? nullptr : &found->second;
  });
}

std::string Catalog::creation_schema(const std::vector<std::string>& search_path) const {
  for (const auto& name : search_path) {
    if (has_schema(name)) return name;
  }
  return {};
}

const Relation& Catalog::root_of(const Relation& relation) const {
  const Relation* at = &relation;
  // Bounded: a catalog read while DDL ran could hold a cycle of oids.
  for (int hops = 0; hops < 64 && at->parent != 0; ++hops) {
    const Relation* parent = this->relation(at->parent);
    if (parent == nullptr) break;
    at = parent;
  }
  return *at;
}

}  // namespace howdah::schema
