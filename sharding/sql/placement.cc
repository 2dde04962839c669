#include "sharding/sql/placement.h"

#include <algorithm>

#include "sharding/sql/spread.h"
#include "sharding/sql/spread_write.h"

namespace howdah::sharding::sql {

namespace {

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

void add_pin(StatementPlan& plan, Pin pin) {
  if (std::find(plan.pins.begin(), plan.pins.end(), pin) == plan.pins.end())
    plan.pins.push_back(std::move(pin));
}

// The tables of a statement by how they are sharded.
struct Uses {
  std::vector<const TableUse*> hashed, reference, local;
  bool reference_written = false;
  bool reference_locked = false;

  explicit Uses(const Findings& findings) {
    for (const auto& use : findings.tables) {
      switch (use.rule->kind) {
        case TableRuleKind::kHash:
          hashed.push_back(&use);
          break;
        case TableRuleKind::kLocal:
          local.push_back(&use);
          break;
        case TableRuleKind::kReference:
          reference.push_back(&use);
          reference_written = reference_written || use.written;
          reference_locked = reference_locked || use.locked;
          break;
      }
    }
  }
};

// What to do about a function that is not known to keep to its shard; empty where there is none.
std::string how_to_declare(const Findings& findings) {
  if (findings.declarable.empty()) return {};
  return " If function " + findings.user_function + " reads no rows of sharded tables but those with the key of the row that it is called for, say so in the configuration: " +
         "sharding.functions: { \"" + findings.declarable + "\": { shard_local: true } }.";
}

Error needs_key(const Findings& findings, const TableUse& use, std::string detail) {
  const auto table = display_name(*use.relation);
  return unsupported(
      "statement is not restricted to one value of " + use.key->name + ", the sharding key of table " + table,
      "Add a condition such as " + table + "." + use.key->name + " = ... that holds for every row of " +
          table + " in the statement." + how_to_declare(findings),
      std::move(detail));
}

Error moves_to_unknown(const TableUse& use, std::string detail) {
  return unsupported("sharding key " + use.key->name + " of table " + display_name(*use.relation) + " cannot be changed by this UPDATE",
                     "Delete the row and insert it with its new key.", std::move(detail));
}

// As the detail of another refusal.
std::string reason_of(const Error& error) {
  return error.message + (error.detail.empty() ? "." : ": " + error.detail);
}

bool writes_rows(const Findings& findings) {
  return std::any_of(findings.tables.begin(), findings.tables.end(), [](const TableUse& use) { return use.written; });
}

// Not on one shard: on several, or the refusal.
void place_spread(QueryWalker& walker, const AnalyzeContext& context, const TableUse& use, StatementPlan& plan) {
  if (writes_rows(walker.findings())) {
    auto proof = spread_write(walker, context);
    if (const auto* error = std::get_if<Error>(&proof)) {
      return refuse(plan, walker.findings().computed_key ? moves_to_unknown(use, error->message) : needs_key(walker.findings(), use, error->message));
    }
    plan.many_write = std::get<std::shared_ptr<const ManyWrite>>(proof);
    plan.pins.clear();
    plan.where = Where::kManyShards;
    return;
  }
  auto proof = spread(walker, context);
  if (const auto* proven = std::get_if<std::shared_ptr<const Spread>>(&proof)) {
    plan.spread = *proven;
    plan.pins.clear();
    plan.where = Where::kManyShards;
    return;
  }
  const Error& error = std::get<Error>(proof);
  if (walker.top().node == nullptr) return refuse(plan, needs_key(walker.findings(), use, error.detail.empty() ? error.message : error.detail));
  refuse(plan, needs_key(walker.findings(), use, reason_of(error)));
}

// The pins of every sharded table, or the refusal.
void place_hashed(QueryWalker& walker, const AnalyzeContext& context, const Uses& uses, StatementPlan& plan) {
  const Findings& findings = walker.findings();
  const Facts& facts = walker.solved();
  const auto pin_from = [&](const ValueSet& values, const TableUse& use, bool is_insert) {
    Pin pin{values.family, values.read_as, is_insert, is_insert && use.key->not_null, values.any_of};
    if (is_insert) pin.column_type = use.key->type;
    walker.mark_params(pin.any_of, values.read_as);
    add_pin(plan, std::move(pin));
  };
  if (findings.defaulted) return place_spread(walker, context, findings.tables[findings.defaulted->use], plan);
  if (findings.computed_key) return place_spread(walker, context, findings.tables[walker.top_write().use], plan);
  for (const auto& key : findings.inserted) {
    const TableUse& use = findings.tables[key.use];
    if (!key.values.empty()) {
      pin_from(ValueSet{*key_family(use.key->type), use.key->type, key.values}, use, true);
      continue;
    }
    for (const int term : key.terms) {
      const ValueSet* values = facts.values(term);
      if (values == nullptr) return place_spread(walker, context, use, plan);
      pin_from(*values, use, true);
    }
  }
  for (const auto& use : findings.tables) {
    if (use.rule->kind != TableRuleKind::kHash || use.only_inserted) continue;
    const ValueSet* values = facts.values(use.key_term);
    if (values == nullptr) return place_spread(walker, context, use, plan);
    pin_from(*values, use, false);
  }
  if (uses.reference_locked) {
    return refuse(plan, unsupported("a reference table cannot be locked together with a sharded one",
                                    "Name the sharded table: FOR UPDATE OF ...",
                                    "Lockers of a reference table exclude each other only if all lock the same copy."));
  }
  plan.where = Where::kKeys;
  const bool may_be_several = std::any_of(plan.pins.begin(), plan.pins.end(), [](const Pin& pin) {
    return pin.any_of.size() > 1 || (pin.any_of.size() == 1 && pin.any_of[0].kind != KeySource::Kind::kSlot &&
                                     pin.any_of[0].kind != KeySource::Kind::kParam && pin.any_of[0].kind != KeySource::Kind::kNull);
  });
  if (!may_be_several && plan.pins.size() < 2 && walker.top_set().node == nullptr) return;
  if (writes_rows(findings)) {
    auto proof = spread_write(walker, context);
    if (auto* proven = std::get_if<std::shared_ptr<const ManyWrite>>(&proof)) {
      plan.many_write = std::move(*proven);
    } else {
      plan.one_shard_because = std::get<Error>(proof).message;
    }
    return;
  }
  auto proof = spread(walker, context);
  if (auto* proven = std::get_if<std::shared_ptr<const Spread>>(&proof)) {
    plan.spread = std::move(*proven);
  } else if (walker.top().node == nullptr) {
    plan.one_shard_because = std::get<Error>(proof).detail;
  } else {
    plan.one_shard_because = reason_of(std::get<Error>(proof));
  }
}

// Every copy is written by the same statement: its result must not depend on where it runs.
void place_reference_write(QueryWalker& walker, const AnalyzeContext& context, const Uses& uses,
                           StatementPlan& plan) {
  const Findings& findings = walker.findings();
  const auto cannot = [&plan](std::string detail) {
    refuse(plan, unsupported("this write to a reference table might leave its copies different",
                             "Compute the values first, then write them as constants.", std::move(detail)));
  };
  if (!findings.not_immutable.empty())
    return cannot("The result of " + findings.not_immutable + " may differ between shards.");
  if (findings.order_dependent) {
    return cannot(
        "LIMIT, window functions, DISTINCT ON, UPDATE ... FROM and some aggregates depend on the order of "
        "rows.");
  }
  if (findings.reads_catalog || findings.reads_unknown)
    return cannot("It reads relations that differ between shards.");
  bool clock = findings.clock_text;
  for (const TableUse* use : uses.reference) {
    if (!use->written) continue;
    const auto& root = context.catalog->root_of(*use->relation);
    if (use->relation->has_triggers || root.has_triggers)
      return cannot("Table " + display_name(root) + " has triggers.");
    if (use->relation->row_security)
      return cannot("Table " + display_name(root) + " has row-level policies.");
    for (const auto& column : root.columns) {
      clock = clock || column.type == 1082 || column.type == 1083 || column.type == 1114 ||
              column.type == 1184 || column.type == 1266;  // date, time, timestamp, timestamptz, timetz
    }
    const auto name = quoted(root.schema) + "." + quoted(root.name);
    if (std::find(plan.lock_tables.begin(), plan.lock_tables.end(), name) == plan.lock_tables.end()) {
      plan.lock_tables.push_back(name);
    }
  }
  if (clock && walker.has_clock_words())
    return cannot("A text such as 'now' is read as the time of the shard.");
  plan.clock_text = clock;
  std::sort(plan.lock_tables.begin(), plan.lock_tables.end());
  plan.reference_write = true;
  plan.where = Where::kAllShards;
}

void place_local(const Uses& uses, StatementPlan& plan) {
  plan.shard = uses.local.front()->rule->shard;
  for (const TableUse* use : uses.local) {
    if (use->rule->shard == plan.shard) continue;
    return refuse(plan, unsupported("tables " + display_name(*uses.local.front()->relation) + " and " +
                                    display_name(*use->relation) + " live on different shards",
                                    "Read the tables in separate statements.", "One statement runs on the shard of its local tables."));
  }
  plan.where = Where::kShard;
}

// Sharded tables together with local ones: all rows come to the shard of these.
void place_beside(QueryWalker& walker, const Uses& uses, StatementPlan& plan) {
  place_local(uses, plan);
  if (plan.where != Where::kShard) return;
  auto proof = spread_beside(walker, plan.shard);
  if (const auto* error = std::get_if<Error>(&proof)) {
    return refuse(plan, unsupported("local table " + display_name(*uses.local.front()->relation) + " cannot be combined with tables of other shards",
                                    "Read the tables in separate statements.", reason_of(*error)));
  }
  plan.spread = std::get<std::shared_ptr<const Spread>>(proof);
  plan.where = Where::kManyShards;
}

void add_keys(const Findings& findings, StatementPlan& plan) {
  for (const auto& use : findings.tables) {
    if (use.rule->kind != TableRuleKind::kHash || use.key == nullptr) continue;
    const auto family = key_family(use.key->type);
    if (!family) continue;
    const KeyColumn column{*family, use.key->type};
    if (std::find(plan.keys.begin(), plan.keys.end(), column) == plan.keys.end()) plan.keys.push_back(column);
  }
}

void place_sharded(QueryWalker& walker, const AnalyzeContext& context, StatementPlan& plan) {
  const Findings& findings = walker.findings();
  if (findings.refusal) return refuse(plan, *findings.refusal);
  const Uses uses(findings);
  if (!findings.sequence_call.empty() && !findings.tables.empty()) {
    return refuse(plan, unsupported("function " + findings.sequence_call + " is not supported in a statement that uses tables",
                                    findings.sequence_call == "setval" ? "Read the value first, then SELECT setval(sequence, value)."
                                                                       : "Leave the column to its default, or ask for the value first: SELECT nextval(...).",
                                    "A sequence that was not made through Howdah has the same values on all shards."));
  }
  const bool reads_beside = !uses.local.empty() && !uses.hashed.empty() && !writes_rows(findings);
  if (!uses.local.empty() && !reads_beside && (!uses.hashed.empty() || uses.reference_written)) {
    return refuse(plan, unsupported("local table " + display_name(*uses.local.front()->relation) +
                                        " cannot be combined with tables of other shards",
                                    "Read the tables in separate statements.", "Its rows are on one shard only."));
  }
  const bool user_tables = !uses.hashed.empty() || !uses.local.empty();
  if (findings.reads_catalog && (user_tables || uses.reference_written)) {
    return refuse(plan, unsupported("system catalogs cannot be combined with sharded or local tables",
                                    "Read the catalog in a separate statement.",
                                    "Catalogs name objects by numbers that differ from shard to shard."));
  }
  if (uses.reference_written && !uses.hashed.empty()) {
    return refuse(plan, unsupported("a write to a reference table cannot use a sharded table",
                                    "Use separate statements in one transaction.",
                                    "Every copy is written by the same statement, and each shard has other rows of the sharded table."));
  }
  if (uses.reference_written) return place_reference_write(walker, context, uses, plan);
  if (reads_beside) return place_beside(walker, uses, plan);
  if (!uses.hashed.empty()) return place_hashed(walker, context, uses, plan);
  if (!findings.user_function.empty()) {
    return refuse(plan,
                  unsupported("function " + findings.user_function +
                                  " cannot be called outside of a statement on one key",
                              "Call it in a statement that is restricted to one value of a sharding key." + how_to_declare(findings),
                              "It may read tables, and would see those of one shard only."));
  }
  if (!uses.local.empty()) return place_local(uses, plan);
  if (findings.reads_catalog || findings.reads_unknown) {
    plan.where = Where::kCanonical;
  } else if (uses.reference_locked) {
    // Lockers exclude each other only if all lock the same copy.
    plan.where = Where::kShard;
    plan.shard = ShardId(0);
  } else {
    plan.where = uses.reference.empty() ? Where::kHome : Where::kAnyShard;
  }
}

}  // namespace

void refuse(StatementPlan& plan, Error error) {
  plan.where = Where::kRefused;
  plan.refusal = std::move(error);
  plan.pins.clear();
  plan.lock_tables.clear();
  plan.reference_write = false;
  plan.spread.reset();
  plan.many_write.reset();
  plan.many_copy.reset();
}

bool refuse_drift(const AnalyzeContext& context, const schema::Relation& relation, StatementPlan& plan) {
  if (context.drift == nullptr) return false;
  const auto& root = context.catalog->root_of(relation);
  const schema::Difference* difference = context.drift->find(root.oid);
  if (difference == nullptr) return false;
  refuse(plan, unsupported("table " + display_name(root) + " is not the same on all shards",
                           "Give it one definition on all shards, by DDL through Howdah or on the shards themselves.", difference->what));
  return true;
}

void place(QueryWalker& walker, const AnalyzeContext& context, bool reads, StatementPlan& plan) {
  const Findings& findings = walker.findings();
  plan.read_only = reads && findings.read_only && context.catalog != nullptr;
  plan.writes = !(reads && findings.harmless && !findings.locks);
  plan.pin = findings.pin;
  plan.unlocks = findings.unlocks;
  plan.configs = findings.configs;
  plan.notifies = findings.notifies;
  const bool hint = std::any_of(plan.configs.begin(), plan.configs.end(), [](const auto& call) { return call.name.starts_with("howdah."); });
  if (hint) {
    return refuse(plan, unsupported("set_config of a howdah parameter is not supported", "Use SET howdah.name = value.",
                                    "No server knows these parameters."));
  }
  if (context.sharded()) {
    add_keys(findings, plan);
    place_sharded(walker, context, plan);
    if (plan.where == Where::kManyShards || plan.many_write || plan.reference_write) {
      for (const auto& use : findings.tables) {
        if (refuse_drift(context, *use.relation, plan)) return;
      }
    }
    if (plan.spread || plan.many_write || plan.reference_write) {
      for (const auto& [location, call] : findings.clock) plan.clock.push_back(call);
    }
  } else {
    plan.where = Where::kHome;
  }
}

}  // namespace howdah::sharding::sql
