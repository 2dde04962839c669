// What one shard calls the users' types and relations of a database: each shard gave them OIDs of its own, and clients
// know those of the canonical shard only.
#pragma once

#include <unordered_map>

#include "base/ids.h"

namespace howdah::schema {

// Immutable once shared. OIDs below kFirstUserOid are the same on every server of one major version.
// https://www.postgresql.org/docs/15/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT
class ObjectIds {
 public:
  static constexpr Oid kFirstUserOid = 16384;

  void add_type(Oid here, Oid canonical) {
    if (here == canonical) return;
    types_[here] = canonical;
    types_here_[canonical] = here;
  }
  void add_relation(Oid here, Oid canonical) { relations_[here] = canonical; }

  // The canonical shard's OID. A type that only this shard has keeps its own.
  Oid type(Oid here) const { return here < kFirstUserOid ? here : find(types_, here, here); }
  // ... and a relation that only this shard has (a temporary table) gets 0: no table that clients could look up.
  Oid relation(Oid here) const { return here < kFirstUserOid ? here : find(relations_, here, 0); }
  // This shard's OID for one of the canonical shard's.
  Oid type_here(Oid canonical) const { return canonical < kFirstUserOid ? canonical : find(types_here_, canonical, canonical); }

  bool operator==(const ObjectIds&) const = default;

 private:
  using Map = std::unordered_map<Oid, Oid>;
  static Oid find(const Map& map, Oid oid, Oid otherwise) {
    const auto found = map.find(oid);
    return found == map.end() ? otherwise : found->second;
  }

  Map types_, relations_, types_here_;
};

}  // namespace howdah::schema
