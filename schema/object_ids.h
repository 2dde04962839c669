// What one shard calls the users' types and relations of a database: each shard gave them OIDs of its own, and clients
// know those of the canonical shard only.
#pragma once

#include <unordered_map>

#include "base/ids.h"

namespace howdah::schema {

// What the binary values of a type are made of.
struct TypeShape {
  enum class Kind : unsigned char {
    kPlain,       // no types' OIDs in them
    kArray,       // the element's OID, and elements of that type
    kRecord,      // fields, each behind the OID of its type
    kRange,       // bounds of another type
    kMultirange,  // ranges of another type
    kDomain,      // values of another type
  };
  Kind kind = Kind::kPlain;
  Oid of = 0;     // that other type
  bool operator==(const TypeShape&) const = default;
};

// Immutable once shared. OIDs below kFirstUserOid are the same on every server of one major version.
// https://www.postgresql.org/docs/15/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT
class ObjectIds {
 public:
  static constexpr Oid kFirstUserOid = 16384;
  static constexpr Oid kRecordOid = 2249, kRecordArrayOid = 2287;

  void add_type(Oid here, Oid canonical) {
    if (here == canonical) return;
    highest_ = canonical > highest_ ? canonical : highest_;
    types_[here] = canonical;
    types_here_[canonical] = here;
  }
  void add_relation(Oid here, Oid canonical) { relations_[here] = canonical; }

  void add_shape(Oid here, TypeShape shape) { shapes_[here] = shape; }
  // True for PostgreSQL's own types.
  bool knows(Oid here) const { return here < kFirstUserOid || shapes_.contains(here); }
  // By this shard's OID.
  TypeShape shape(Oid here) const {
    if (here == kRecordOid) return {TypeShape::Kind::kRecord, 0};
    if (here == kRecordArrayOid) return {TypeShape::Kind::kArray, kRecordOid};
    const auto found = here < kFirstUserOid ? shapes_.end() : shapes_.find(here);
    return found == shapes_.end() ? TypeShape{} : found->second;
  }

  // The canonical shard's OID. A type that only this shard has keeps its own.
  Oid type(Oid here) const { return here < kFirstUserOid ? here : find(types_, here, here); }
  // ... and a relation that only this shard has (a temporary table) gets 0: no table that clients could look up.
  Oid relation(Oid here) const { return here < kFirstUserOid ? here : find(relations_, here, 0); }
  // This shard's OID for one of the canonical shard's.
  Oid type_here(Oid canonical) const { return canonical < kFirstUserOid || canonical > highest_ ? canonical : find(types_here_, canonical, canonical); }
  bool types_differ() const { return !types_.empty(); }

  bool operator==(const ObjectIds&) const = default;

 private:
  using Map = std::unordered_map<Oid, Oid>;
  static Oid find(const Map& map, Oid oid, Oid otherwise) {
    const auto found = map.find(oid);
    return found == map.end() ? otherwise : found->second;
  }

  Map types_, relations_, types_here_;
  Oid highest_ = 0;  // of the canonical ones that differ
  std::unordered_map<Oid, TypeShape> shapes_;
};

}  // namespace howdah::schema
