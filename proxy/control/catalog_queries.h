// The questions that a catalog is made of, and what their answers mean. No I/O: the readers beside it ask
// them.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "drivers/pq/result.h"
#include "schema/catalog.h"

namespace howdah::control {

// kFingerprintQuery changes with every committed change of a table, column, index, function, trigger, rule,
// domain, schema or collation that is neither temporary nor PostgreSQL's own.
//
// It adds up a hash of (oid, xmin) over the rows: inserting or changing a catalog row gives it a new xmin,
// deleting it takes its share away. In-place updates by VACUUM and ANALYZE leave xmin alone, so they do not
// count. A rewrite of a catalog (VACUUM FULL pg_class) may freeze xmin and look like a change: that costs one
// more reading, nothing else. It can miss a change only when 64-bit hashes collide.
//
// Asked in this order, inside one transaction that begins with kCatalogBegin and ends with kCatalogEnd, so
// that all see one moment.
enum CatalogQuery : std::size_t {
  kFingerprintQuery,
  kSchemasQuery,
  kDomainsQuery,
  kRelationsQuery,
  kColumnsQuery,
  kUniqueKeysQuery,
  kFunctionsQuery,
  kCodeStateQuery,
  kViewsQuery,
  kCatalogQueries
};
extern const std::array<const char*, kCatalogQueries> kCatalogSql;
extern const char* const kCatalogBegin;
extern const char* const kCatalogEnd;

// Takes the answers in order, then gives the catalog.
class CatalogBuilder {
 public:
  void take(CatalogQuery query, const pq::PgResult& rows);
  std::shared_ptr<const schema::Catalog> build(std::uint64_t version);
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  struct Domain {
    Oid base;
    bool has_default;
  };
  void take_schemas(const pq::PgResult& rows);
  void take_domains(const pq::PgResult& rows);
  void take_relations(const pq::PgResult& rows);
  void take_columns(const pq::PgResult& rows);
  void take_unique_keys(const pq::PgResult& rows);
  void take_functions(const pq::PgResult& rows);
  void take_code_state(const pq::PgResult& rows);
  void take_views(const pq::PgResult& rows);
  void mark_ancestors(bool schema::Relation::* mark);
  schema::Relation* relation(Oid oid);

  std::string fingerprint_;
  std::vector<std::string> schemas_;
  bool bytewise_collation_ = false;
  std::unordered_map<Oid, Domain> domains_;
  std::vector<schema::Relation> relations_;
  std::unordered_map<Oid, std::size_t> by_oid_;
  std::vector<schema::Function> functions_;
  schema::CodeState code_state_;
};

}  // namespace howdah::control
