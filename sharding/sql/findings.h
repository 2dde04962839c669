// What the analysis of one statement found, beside the values of columns: the input to the decision where it
// runs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "schema/catalog.h"
#include "sharding/rules.h"
#include "sharding/sql/plan.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {

// A user table in the statement, once per appearance.
struct TableUse {
  const schema::Relation* relation = nullptr;
  const TableRule* rule = nullptr;
  const schema::Column* key = nullptr;  // of a sharded table
  const TreeNode* node = nullptr;       // TREE_RANGE_VAR
  int entry = -1;
  int key_term = -1;
  bool written = false;
  bool locked = false;         // FOR UPDATE, FOR SHARE
  bool only_inserted = false;  // target of INSERT: none of its rows is looked for
};

// The key of rows to be stored: the values themselves, or the terms that they come from.
struct InsertedKey {
  std::size_t use = 0;            // index into Findings::tables
  std::vector<KeySource> values;  // from VALUES
  std::vector<int> terms;         // from SELECT
};

// ... or the default of the key's column, which is to be evaluated first.
struct DefaultedKey {
  std::size_t use = 0;
  int position = -1;              // of DEFAULT in each row; -1: not given
};

struct Findings {
  std::vector<TableUse> tables;
  std::vector<InsertedKey> inserted;
  std::optional<DefaultedKey> defaulted;
  bool computed_key = false;     // the statement is an UPDATE that sets the key to an expression
  std::string sequence_call;     // nextval or setval
  bool reads_catalog = false;    // pg_catalog or information_schema
  bool reads_unknown = false;    // a relation that the catalog does not know
  bool reads_relations = false;  // any at all

  bool read_only = true;  // nothing found yet that is not proven read-only
  bool harmless = true;   // nothing found yet that could write or keep a lock
  bool pure = true;       // ... but for the rows that the statement itself writes
  bool locks = false;     // rows, by FOR UPDATE and its like: harmless, but for their keeping others waiting
  bool notifies = false;
  PinReason pin = PinReason::kNone;
  bool unlocks = false;
  std::vector<ConfigCall> configs;
  std::string not_immutable;     // a function or expression whose result may differ from shard to shard
  std::string user_function;     // the first one called that is not declared shard_local
  std::string declarable;        // ... with its schema, as the configuration could declare it
  std::string shard_local;       // a declared one whose result depends on where it runs
  std::string varies;            // a function whose result differs between shards or calls: the clock, random values
  std::map<std::int32_t, ClockCall> clock;  // by where it stands in the text
  bool collates = false;         // COLLATE
  bool system_column = false;    // ctid, tableoid and the like, which mean nothing outside of one shard
  bool clock_text = false;       // a cast to a type whose input reads the clock
  bool order_dependent = false;  // LIMIT, window functions, DISTINCT ON, order-dependent aggregates
  std::size_t order_uses = 0;    // how often
  bool copies_order = false;     // ... in a query level that reads no sharded table: copies may order rows differently
  std::optional<Error> refusal;  // the first reason to refuse across shards

  void refuse(Error error) {
    if (!refusal) refusal = std::move(error);
  }
  void unproven() { read_only = harmless = pure = false; }
  void pin_for(PinReason reason) {
    if (pin == PinReason::kNone) pin = reason;
  }
  void depends_on_order() {
    order_dependent = true;
    ++order_uses;
  }
  void set_varies(std::string_view name) {
    if (varies.empty()) varies = name;
  }
  void set_not_immutable(std::string_view name) {
    if (not_immutable.empty()) not_immutable = name;
  }
};

// Every refusal says what to do instead.
inline Error unsupported(std::string message, std::string hint, std::string detail = {}) {
  return make_error(ErrorCode::kUnsupported, std::move(message), std::move(hint), std::move(detail));
}

inline std::string display_name(const schema::Relation& relation) {
  return relation.schema == "public" ? relation.name : relation.schema + "." + relation.name;
}

}  // namespace howdah::sharding::sql
