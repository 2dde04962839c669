#include "sharding/sql/statement.h"

#include <algorithm>

#include "sharding/sql/code_text.h"
#include "sharding/sql/placement.h"
#include "sharding/sql/query.h"
#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

Verb query_verb(const TreeNode* node) {
  switch (node->kind) {
    case TREE_INSERT:
      return Verb::kInsert;
    case TREE_UPDATE:
      return Verb::kUpdate;
    case TREE_DELETE:
      return Verb::kDelete;
    case TREE_MERGE:
      return Verb::kMerge;
    default:
      return Verb::kSelect;
  }
}

const TreeNode* leftmost(const TreeNode* select) {
  while (is(select, TREE_SELECT) && select->op != TREE_LEAF) select = kid(select, TREE_SELECT_LEFT);
  return select;
}

bool returns_rows(const TreeNode* node) {
  switch (node->kind) {
    case TREE_INSERT:
      return kid(node, TREE_INSERT_RETURNING) != nullptr;
    case TREE_UPDATE:
      return kid(node, TREE_UPDATE_RETURNING) != nullptr;
    case TREE_DELETE:
      return kid(node, TREE_DELETE_RETURNING) != nullptr;
    case TREE_MERGE:
      return false;
    default:
      return true;
  }
}

bool changes_rows(const TreeNode* node) {
  if (node == nullptr) return false;
  if (node->kind == TREE_INSERT || node->kind == TREE_UPDATE || node->kind == TREE_DELETE || node->kind == TREE_MERGE) return true;
  return std::any_of(kids(node).begin(), kids(node).end(), changes_rows);
}

void plan_query(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.verb = query_verb(node);
  plan.changes_rows = changes_rows(node);
  plan.returns_rows = returns_rows(node);
  QueryWalker walker(input.context, input.slots, input.param_types);
  walker.statement(node);
  input.too_complex = input.too_complex || walker.too_complex();
  place(walker, input.context, node->kind == TREE_SELECT, plan);
  const TreeNode* into = is(node, TREE_SELECT) ? kid(leftmost(node), TREE_SELECT_INTO) : nullptr;
  if (into == nullptr) return;
  plan.verb = Verb::kDdl;
  plan.changes_catalog = true;
  plan.returns_rows = false;
  const TreeNode* made = kid(into, 0);
  const auto& path = input.context.search_path;
  if (made != nullptr && (made->number == 't' || qualifier_of(made) == "pg_temp" ||
                          (qualifier_of(made).empty() && !path.empty() && path.front() == "pg_temp"))) {
    plan.pin = PinReason::kTemporaryTable;
    plan.notifies = true;
  }
}

bool option_is_on(const TreeNode* option) {
  const TreeNode* value = kid(option, 0);
  if (value == nullptr) return true;
  if (value->op == TREE_CONST_INT || value->op == TREE_CONST_BOOL) return value->number != 0;
  std::string text(text_of(value));
  for (char& c : text) c = lower_ascii(c);
  return text != "false" && text != "off" && text != "0";
}

// EXPLAIN [ANALYZE] [VERBOSE] statement, EXPLAIN (options) statement, PREPARE name [(types)] AS statement.
void find_inner(StatementInput& input, StatementPlan& plan) {
  Scanner scanner(input.sql.substr(0, plan.end), input.context.lexer, plan.begin);
  const bool prepare = plan.verb == Verb::kPrepare;
  scanner.next();
  if (prepare) scanner.next();
  int depth = 0;
  for (;;) {
    const Token token = scanner.next();
    if (token.kind == TokenKind::kEnd || token.kind == TokenKind::kBad) return;
    std::string word(input.sql.substr(token.begin, token.end - token.begin));
    for (char& c : word) c = lower_ascii(c);
    if (word == "(" && token.kind == TokenKind::kSymbol) {
      // EXPLAIN (SELECT 1) is a statement in parentheses: only names of options may follow the first one.
      if (depth == 0 && !prepare) {
        Scanner ahead = scanner;
        Token first = ahead.next();
        std::string name(input.sql.substr(first.begin, first.end - first.begin));
        for (char& c : name) c = lower_ascii(c);
        if (name == "select" || name == "with" || name == "values" || name == "table" || name == "(") {
          plan.inner_begin = token.begin;
          break;
        }
      }
      ++depth;
      continue;
    }
    if (depth > 0) {
      if (word == ")") --depth;
      continue;
    }
    if (prepare) {
      if (word != "as") continue;
      plan.inner_begin = scanner.next().begin;
      break;
    }
    if (word == "analyze" || word == "analyse" || word == "verbose") continue;
    plan.inner_begin = token.begin;
    break;
  }
  plan.inner_end = plan.end;
}

// What wraps a query runs on one shard.
void one_shard_only(StatementPlan& plan, const char* what) {
  plan.spread.reset();
  plan.many_write.reset();
  if (!plan.reference_write) plan.clock.clear();
  if (plan.where != Where::kManyShards) return;
  refuse(plan, unsupported(std::string(what) + " of a query over several shards is not supported",
                           "Name one value of the sharding key."));
}

// Are the rows of the shards, one after the other, all that is to be done?
bool only_unites(const Spread& spread) {
  return !spread.gathers && spread.sort.empty() && spread.limit.kind == RowCount::Kind::kNone && spread.offset.kind == RowCount::Kind::kNone;
}

ExplainFormat format_of(const TreeNode* value) {
  std::string text(text_of(value));
  for (char& c : text) c = lower_ascii(c);
  return text == "json" ? ExplainFormat::kJson : text == "xml" || text == "yaml" ? ExplainFormat::kOther : ExplainFormat::kText;
}

void plan_explain(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  bool analyze = false, howdah = false;
  for (std::uint32_t i = 1; i < node->count; ++i) {
    const TreeNode* option = kid(node, i);
    if (text_of(option) == "analyze") analyze = option_is_on(option);
    if (text_of(option) == "howdah") howdah = true;
    if (text_of(option) == "format") plan.explain_format = format_of(kid(option, 0));
  }
  plan_statement(input, kid(node, 0), plan);
  // The plan of a cursor's query, or of an INSERT whose keys are not there yet, is not that of the text.
  if (!howdah && (plan.verb == Verb::kDeclareCursor || (plan.many_write && plan.many_write->key_default))) one_shard_only(plan, "EXPLAIN");
  plan.verb = Verb::kExplain;
  plan.returns_rows = true;
  plan.read_only = false;
  find_inner(input, plan);
  if (howdah) {
    return refuse(plan, unsupported("EXPLAIN (HOWDAH) takes no other options", "Send EXPLAIN (HOWDAH) statement.",
                                    "It tells where the statement would run, and runs nothing."));
  }
  const bool several = plan.where == Where::kManyShards || plan.spread || plan.many_write;
  if (several && plan.explain_format == ExplainFormat::kOther) {
    plan.spread.reset();
    plan.many_write.reset();
    if (plan.where == Where::kManyShards) {
      refuse(plan, unsupported("EXPLAIN of a statement over several shards gives FORMAT TEXT and JSON only", "Use FORMAT JSON.",
                               "The plans of the shards have to become one document."));
    }
  }
  if (analyze && plan.many_write && plan.many_write->move) {
    const char* const why = "EXPLAIN ANALYZE of an UPDATE that moves rows to other shards is not supported.";
    plan.many_write.reset();
    plan.one_shard_because = why;
    if (plan.where == Where::kManyShards) refuse(plan, unsupported(why, "Leave out ANALYZE."));
  }
  if (analyze && plan.many_write && !plan.clock.empty()) {
    const char* const why = "Each shard would read its own clock.";
    plan.many_write.reset();
    if (plan.where != Where::kManyShards) {
      plan.one_shard_because = why;
    } else {
      refuse(plan, unsupported("EXPLAIN ANALYZE of a write over several shards that reads the clock is not supported",
                               "Write the time as a constant, or leave out ANALYZE.", why));
    }
  }
  if (analyze) return;
  plan.writes = plan.notifies = plan.changes_catalog = false;
  plan.pin = PinReason::kNone;
}

void plan_declare(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  constexpr int kBinary = 1, kScroll = 2;  // CURSOR_OPT_... in parsenodes.h
  plan_statement(input, kid(node, 0), plan);
  // FOR UPDATE goes neither back nor beyond the transaction, says PostgreSQL.
  const bool locks = plan.writes && (has(node, TREE_FLAG_IS) || (node->number & kScroll) != 0);
  const bool many = plan.spread && !plan.changes_rows && !locks && (node->number & kBinary) == 0;
  if (!many) one_shard_only(plan, "DECLARE CURSOR");
  plan.verb = Verb::kDeclareCursor;
  plan.name = text_of(node);
  plan.returns_rows = false;
  plan.read_only = false;
  if (!has(node, TREE_FLAG_IS)) return;
  plan.pin = PinReason::kHoldCursor;
  plan.notifies = true;
}

void plan_prepare(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.verb = Verb::kPrepare;
  plan.name = text_of(node);
  plan.writes = false;
  plan.where = Where::kHome;
  find_inner(input, plan);
}

// Where it runs is the session's to say, which knows the statement behind the name.
void plan_execute(StatementInput&, const TreeNode* node, StatementPlan& plan) {
  plan.verb = Verb::kExecute;
  plan.name = text_of(node);
  plan.returns_rows = true;
  plan.where = Where::kHome;
}

void plan_copy(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  const bool from = has(node, TREE_FLAG_IS);
  const bool stream = node->text == nullptr && !has(node, TREE_FLAG_ALL);
  const TreeNode* query = kid(node, 1);
  if (query != nullptr) {
    plan_statement(input, query, plan);
    if (plan.spread && only_unites(*plan.spread) && plan.clock.empty()) {
      plan.many_copy = copy_of_query(node);
    }
    if (!plan.many_copy) one_shard_only(plan, "COPY");
    plan.read_only = false;
  } else {
    plan.where = Where::kHome;
    plan.writes = from;
    const NamedTable table = find_table(input.context, kid(node, 0));
    if (input.context.sharded()) {
      const bool catalog = table.relation != nullptr && table.relation->schema == "pg_catalog";
      if (catalog || (table.relation == nullptr && table.rule == nullptr)) {
        plan.where = Where::kCanonical;
      } else if (table.rule == nullptr) {
        refuse(plan, unsupported("table " + table.shown() + " has no sharding rule",
                                 "Add sharding.tables." + table.shown() + " to the configuration."));
      } else if (table.rule->kind == TableRuleKind::kLocal) {
        plan.where = Where::kShard;
        plan.shard = table.rule->shard;
      } else if (table.rule->kind == TableRuleKind::kReference && !from) {
        plan.where = Where::kAnyShard;
      } else {
        plan_many_copy(node, table, plan);
        if (!plan.refusal) refuse_drift(input.context, *table.relation, plan);
      }
    }
  }
  plan.returns_rows = false;
  plan.verb = !stream ? Verb::kOther : from ? Verb::kCopyIn : Verb::kCopyOut;
  if (!stream) {
    plan.writes = true;
    if (input.context.sharded() && plan.where != Where::kRefused) {
      refuse(plan,
             unsupported("COPY with a file or program of the server is not supported with several shards",
                         "Use COPY ... FROM STDIN or TO STDOUT."));
    }
  }
}

// Procedures and blocks may do anything.
void plan_user_code(StatementInput& input, Verb verb, StatementPlan& plan) {
  plan.verb = verb;
  plan.where = Where::kHome;
  const bool known = find_settings_in_code(input.sql.substr(plan.begin, plan.end - plan.begin), plan.configs);
  plan.pin = known ? PinReason::kUserCode : PinReason::kSetConfig;
  plan.returns_rows = verb == Verb::kCall;
  plan.changes_catalog = true;
  if (!input.context.sharded()) return;
  refuse(plan, unsupported(
                   std::string(verb == Verb::kCall ? "CALL" : "DO") + " is not supported with several shards",
                   "Send the statements themselves.", "What it reads and writes cannot be proven."));
}

}  // namespace

std::string constant_text(const TreeNode* constant) {
  if (is(constant, TREE_CONST) && (constant->op == TREE_CONST_INT || constant->op == TREE_CONST_BOOL)) {
    return std::to_string(constant->number);
  }
  return std::string(text_of(constant));
}

NamedTable find_table(const AnalyzeContext& context, const TreeNode* range_var) {
  NamedTable out;
  if (range_var == nullptr) return out;
  out.name = text_of(range_var);
  out.schema = qualifier_of(range_var);
  if (context.catalog != nullptr) {
    out.relation =
        context.catalog->relation(qualifier_of(range_var), text_of(range_var), context.search_path);
  }
  if (out.relation != nullptr) {
    const auto& root = context.catalog->root_of(*out.relation);
    out.schema = root.schema;
    out.name = root.name;
    out.has_triggers = root.has_triggers;
  } else if (out.schema.empty()) {
    if (context.catalog != nullptr) out.schema = context.catalog->creation_schema(context.search_path);
    if (out.schema.empty()) out.schema = context.search_path.empty() ? "public" : context.search_path.front();
  }
  if (context.rules != nullptr) out.rule = context.rules->find(out.schema, out.name);
  return out;
}

void place_on_tables(const StatementInput& input, const TreeNode* relations, StatementPlan& plan) {
  plan.where = Where::kHome;
  if (!input.context.sharded()) return;
  const TableRule* local = nullptr;
  bool everywhere = false;
  for (const TreeNode* relation : kids(relations)) {
    if (!is(relation, TREE_RANGE_VAR)) continue;
    const NamedTable table = find_table(input.context, relation);
    if (table.rule == nullptr) {
      if (table.relation != nullptr && table.relation->schema != "pg_catalog") {
        return refuse(plan, unsupported("table " + table.shown() + " has no sharding rule",
                                        "Add sharding.tables." + table.shown() + " to the configuration."));
      }
      continue;
    }
    if (table.rule->kind != TableRuleKind::kLocal) {
      everywhere = true;
      continue;
    }
    if (local != nullptr && local->shard != table.rule->shard) {
      return refuse(plan,
                    unsupported("the tables live on different shards", "Name one table per statement.",
                                "Local tables are on the shard that their rules name."));
    }
    local = table.rule;
  }
  if (everywhere && local != nullptr) {
    return refuse(plan, unsupported("local tables cannot be combined with tables of other shards",
                                    "Name the local tables in a statement of their own."));
  }
  plan.where = everywhere ? Where::kAllShards : local != nullptr ? Where::kShard : Where::kCanonical;
  if (local != nullptr) plan.shard = local->shard;
}

void plan_statement(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  if (node == nullptr) return;
  if (node->kind != TREE_UTILITY) {
    if (node->kind == TREE_UNKNOWN) {
      plan.verb = Verb::kOther;
      plan.where = Where::kHome;
      if (input.context.sharded())
        refuse(plan, unsupported("this statement is not supported with several shards",
                                 "Run it on the shards themselves, over connections of their own.",
                                 "Its grammar is not known to the proxy."));
      return;
    }
    return plan_query(input, node, plan);
  }
  switch (node->op) {
    case TREE_U_EXPLAIN:
      return plan_explain(input, node, plan);
    case TREE_U_DECLARE:
      return plan_declare(input, node, plan);
    case TREE_U_PREPARE:
      return plan_prepare(input, node, plan);
    case TREE_U_EXECUTE:
      return plan_execute(input, node, plan);
    case TREE_U_COPY:
      return plan_copy(input, node, plan);
    case TREE_U_CALL:
      return plan_user_code(input, Verb::kCall, plan);
    case TREE_U_DO:
      return plan_user_code(input, Verb::kDo, plan);
    case TREE_U_LOCK:
      plan.verb = Verb::kLock;
      return place_on_tables(input, node, plan);
    case TREE_U_TRUNCATE:
      plan.verb = Verb::kTruncate;
      return place_on_tables(input, node, plan);
    default:
      if (!plan_session(input, node, plan)) plan_ddl(input, node, plan);
  }
}

}  // namespace howdah::sharding::sql
