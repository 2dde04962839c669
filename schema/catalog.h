// An immutable snapshot of what one database defines, as the analyzer needs it: tables, columns, functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "schema/types.h"

namespace howdah::schema {

struct Column {
  std::string name;
  Oid type = kUnknownOid;          // pg_attribute.atttypid; a domain's base type when `is_domain`
  bool is_domain = false;
  bool not_null = false;
  bool has_default = false;        // includes identity and generated columns
  bool deterministic_collation = true;
  bool own_collation = false;      // another one than the database's
  bool generated = false;          // GENERATED ALWAYS AS (...) STORED: never given
  bool identity_always = false;    // GENERATED ALWAYS AS IDENTITY: given only with OVERRIDING SYSTEM VALUE
  bool portable = true;            // its values mean the same on every shard in binary format
  std::string default_text;        // an expression with qualified names, identity's nextval too; empty: none of its own
};

enum class RelationKind : char {   // pg_class.relkind
  kTable = 'r', kPartitioned = 'p', kView = 'v', kMaterializedView = 'm', kSequence = 'S', kForeign = 'f', kComposite = 'c',
  kIndex = 'i', kPartitionedIndex = 'I',
};

struct Relation {
  Oid oid = 0;
  std::string schema;
  std::string name;
  RelationKind kind = RelationKind::kTable;
  Oid parent = 0;                  // partition or inheritance parent, 0 for none
  bool temporary = false;
  bool unlogged = false;           // not readable on a replica
  bool has_triggers = false;       // user triggers, its own or of a partition or child
  bool has_rules = false;
  bool row_security = false;
  bool has_children = false;       // inheritance children that are not partitions
  bool multiple_parents = false;
  bool referenced = false;         // by a foreign key of whatever table, it or a partition or child
  std::vector<Column> columns;     // live columns in attnum order
  std::string definition;          // a view's query, its names qualified but those of pg_catalog; empty: not known
  std::vector<std::vector<std::string>> unique_keys;  // columns of each unique, immediate, non-partial index

  const Column* column(std::string_view column_name) const;
};

enum class Volatility : char { kImmutable = 'i', kStable = 's', kVolatile = 'v' };

// All functions of one (schema, name), merged to the worst case over its overloads.
struct Function {
  std::string schema;
  std::string name;
  Volatility volatility = Volatility::kVolatile;  // the most volatile overload
  bool is_builtin = false;                         // every overload lives in pg_catalog and has an initdb oid (< 16384)
  bool is_aggregate = false;
  bool returns_set = false;
  bool names_settings_at_run_time = false;         // its text calls set_config with a name that is no literal
  std::vector<std::string> overloads;              // of users' functions: "(bigint, text)", types as format_type() shows them
};

// What the texts of users' functions say they may leave on a session, whoever calls them. A word is enough: what is really
// there is asked of the server.
struct CodeState {
  bool settings = false;    // set_config, SET, RESET
  bool locks = false;       // advisory locks of the session
  bool temporary = false;   // temporary tables
  bool cursors = false;     // WITH HOLD
  bool in_triggers = false; // one of these is a trigger's function
  std::vector<std::string> names;  // of parameters that they set, lower case
  bool any() const { return settings || locks || temporary || cursors; }
};

// Immutable after build(); shared between threads through shared_ptr<const Catalog>.
class Catalog {
 public:
  // Adds; a second relation of the same (schema, name) replaces the first. Only before the catalog is shared.
  void add(Relation relation);
  void add(Function function);
  // A schema, which may be empty; add(Relation) knows its own.
  void add_schema(std::string name) { schemas_.insert(std::move(name)); }
  void set_version(std::uint64_t version) { version_ = version; }
  // All text without a COLLATE of its own is ordered by its bytes.
  void set_bytewise_collation(bool bytewise) { bytewise_collation_ = bytewise; }
  bool bytewise_collation() const { return bytewise_collation_; }
  void set_code_state(CodeState state) { code_state_ = std::move(state); }
  const CodeState& code_state() const { return code_state_; }

  // `schema` empty: the first match along search_path ("$user" already resolved by the caller); pg_catalog is
  // searched first unless it is listed, pg_temp is never searched.
  const Relation* relation(std::string_view schema, std::string_view name,
                           const std::vector<std::string>& search_path) const;
  const Relation* relation(Oid oid) const;
  const Function* function(std::string_view schema, std::string_view name,
                           const std::vector<std::string>& search_path) const;
  bool has_schema(const std::string& name) const { return schemas_.contains(name); }
  // Where an unqualified CREATE puts its object: the first schema of the path that exists. Empty when none does.
  std::string creation_schema(const std::vector<std::string>& search_path) const;
  // The topmost partition or inheritance ancestor; the relation itself when it has none.
  const Relation& root_of(const Relation& relation) const;
  std::uint64_t version() const { return version_; }
  std::size_t relation_count() const { return by_oid_.size(); }

 private:
  bool bytewise_collation_ = false;
  std::uint64_t version_ = 0;  // grows with every refresh that changed something
  std::unordered_map<std::string, std::shared_ptr<const Relation>> relations_;  // "schema\0name"
  std::unordered_map<Oid, std::shared_ptr<const Relation>> by_oid_;
  std::unordered_set<std::string> schemas_;
  CodeState code_state_;
  std::unordered_map<std::string, Function> functions_;                         // "schema\0name"
};

}  // namespace howdah::schema
