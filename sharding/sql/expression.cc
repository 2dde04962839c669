// What an expression calls and contains, and so what may still be proven of its statement.
#include <algorithm>

#include "sharding/sql/clock_calls.h"
#include "sharding/sql/function_rules.h"
#include "sharding/sql/names.h"
#include "sharding/sql/query.h"
#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

// TRUE is a constant cast to bool.
bool is_true(const TreeNode* node) {
  if (is(node, TREE_CAST)) node = kid(node, 0);
  return is(node, TREE_CONST) && node->op == TREE_CONST_BOOL && node->number != 0;
}

const TreeNode* argument(const TreeNode* call, std::size_t i) {
  return kid(kid(call, 0), static_cast<std::uint32_t>(i));
}

// Columns are mentioned, and none of them is of the innermost level.
bool only_outer_columns(const TreeNode* node, const Scope* scope) {
  bool any = false, inner = false;
  std::vector<const TreeNode*> open{node};
  while (!open.empty()) {
    const TreeNode* at = open.back();
    open.pop_back();
    if (at == nullptr) continue;
    if (at->kind == TREE_COLUMN) {
      any = true;
      Scope own;
      own.view_of = scope;
      if (scope != nullptr && scope->view_of != nullptr)
        own = Scope{nullptr, {}, scope->view_of, scope->first};
      inner = inner || is(kid(at, at->count - 1), TREE_STAR) || resolve_column(at, &own).found;
    }
    for (const TreeNode* item : kids(at)) open.push_back(item);
  }
  return any && !inner;
}

}  // namespace

bool is_system_column(std::string_view name) {
  return name == "ctid" || name == "xmin" || name == "xmax" || name == "cmin" || name == "cmax" ||
         name == "tableoid";
}

void QueryWalker::walk_all(const TreeNode* list, const Scope* scope, WithScope* with) {
  for (const TreeNode* item : kids(list)) walk(item, scope, with);
}

void QueryWalker::expression(const TreeNode* node) {
  walk(node, nullptr, nullptr);
}

void QueryWalker::walk(const TreeNode* node, const Scope* scope, WithScope* with) {
  if (node == nullptr) return;
  switch (node->kind) {
    case TREE_CONST:
      slots_.meet(node);
      if (node->op == TREE_CONST_STRING) strings_.push_back(node);
      return;
    case TREE_PARAM:
      if (node->number > 0) ++param_uses_[static_cast<std::uint32_t>(node->number - 1)];
      return;
    case TREE_COLUMN: {
      const TreeNode* last = kid(node, node->count - 1);
      if (is_system_column(text_of(last))) findings_.system_column = true;
      if (is(last, TREE_STAR) || is_system_column(text_of(last))) return;
      // t.f may mean f(t), for a function of a user.
      if (!resolve_column(node, scope).found && !names_row(node, scope)) findings_.unproven();
      return;
    }
    case TREE_TYPE:
      return;
    case TREE_FUNC:
      call(node, scope);
      break;
    case TREE_SUBLINK:
      if (node->text != nullptr) check_operator(node);
      walk(kid(node, 0), scope, with);
      query(kid(node, 1), Outer{scope, with, nullptr});
      return;
    case TREE_CAST:
      check_cast(node);
      break;
    case TREE_EXPR:
      check_operator(node);
      break;
    case TREE_SQL_VALUE:
      if (const auto kind = clock_kind(node)) return note_clock(node, *kind);
      findings_.set_not_immutable("the current time or user");
      findings_.set_varies("the current time or user");
      return;
    case TREE_COLLATE:
      findings_.collates = true;
      break;
    case TREE_SORT_BY:
      if (has(node, TREE_FLAG_QUALIFIED)) findings_.unproven();
      break;
    case TREE_CURRENT_OF:
      findings_.unproven();
      return;
    case TREE_UNKNOWN:
      findings_.unproven();
      findings_.refuse(unsupported("this form of expression is not supported across shards", "Compute it in the application.",
                                   "What it reads is not known."));
      return;
    default:
      break;
  }
  walk_all(node, scope, with);
}

void QueryWalker::check_operator(const TreeNode* node) {
  const auto schema = qualifier_of(node);
  if (schema == "pg_catalog" || (schema.empty() && builtin_names_first_)) return;
  findings_.unproven();
  findings_.set_not_immutable("an operator of a user");
  findings_.set_varies("an operator of a user");
}

void QueryWalker::check_cast(const TreeNode* node) {
  const TreeNode* type = kid(node, 1);
  const auto schema = qualifier_of(type);
  const auto name = text_of(type);
  const bool builtin = schema == "pg_catalog" || (schema.empty() && builtin_names_first_);
  if (!builtin || !is_builtin_type(name)) {
    findings_.unproven();
    findings_.set_not_immutable("a cast to a type of a user");
    findings_.set_varies("a cast to a type of a user");
    return;
  }
  if (name == "name") findings_.collates = true;  // ordered by its bytes
  if (is_reg_type(name)) {
    findings_.set_not_immutable("a cast to " + std::string(name));
    findings_.set_varies("a cast to " + std::string(name));
  }
  if (!is_clock_type(name)) return;
  findings_.clock_text = true;
  // Only a literal's text can be searched for words such as 'now'.
  if (!is(kid(node, 0), TREE_CONST) && !is_clock_value(kid(node, 0))) findings_.set_not_immutable("a cast to " + std::string(name));
}

// Read once for all shards: what stands there is known before they see it.
void QueryWalker::note_clock(const TreeNode* node, ClockCall::Kind kind) {
  if (node->location < 0) return findings_.set_varies("the clock");
  findings_.clock[node->location] = {kind, std::find(named_.begin(), named_.end(), node) != named_.end()};
}

// What may give its name to the output column that `value` makes.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/parser/parse_target.c (FigureColname)
void QueryWalker::note_naming(const TreeNode* value) {
  if (value == nullptr) return;
  if (clock_kind(value)) named_.push_back(value);
  if (value->kind != TREE_CAST && value->kind != TREE_COLLATE && value->kind != TREE_OTHER_EXPR) return;
  for (const TreeNode* part : kids(value)) note_naming(part);
}

// An aggregate belongs to the level of its columns: one with columns of outer levels only may collapse any of
// those.
void QueryWalker::note_aggregate(const TreeNode* node, const Scope* scope) {
  if (level_ != nullptr) level_->has_aggregate = true;
  if (!only_outer_columns(node, scope)) return;
  for (Level* level = level_; level != nullptr; level = level->parent) level->has_aggregate = true;
}

void QueryWalker::call(const TreeNode* node, const Scope* scope) {
  const auto name = text_of(node);
  const auto schema = qualifier_of(node);
  const schema::Catalog* catalog = context_.catalog;
  if (kid(node, 3) != nullptr) {
    if (level_ != nullptr) {
      level_->has_window = true;
      level_->windows.push_back(kid(node, 3));
    }
    findings_.depends_on_order();
  }
  if (catalog == nullptr) {
    findings_.unproven();
    findings_.set_not_immutable(name);
    findings_.set_varies(name);
    note_aggregate(node, scope);  // for all we know
    if (function_trait(name) == FunctionTrait::kNone) findings_.pin_for(PinReason::kUserCode);
    if (schema.empty() || schema == "pg_catalog") apply_trait(node, name);
    return;
  }
  const schema::Function* function = catalog->function(schema, name, context_.search_path);
  bool builtin = function != nullptr && function->is_builtin;
  if (builtin && schema.empty()) {
    // An overload of a user in a later schema of the path may fit the arguments better.
    for (const auto& entry : context_.search_path) {
      const schema::Function* other = catalog->function(entry, name, {});
      if (other != nullptr && !other->is_builtin) builtin = false;
    }
  }
  if (!builtin && function != nullptr && declared_shard_local(node)) return call_shard_local(*function);
  if (!builtin) {
    findings_.unproven();
    findings_.set_not_immutable(name);
    findings_.set_varies(name);
    if (function == nullptr || function->is_aggregate) note_aggregate(node, scope);
    // Also one that is newer than the catalog's snapshot.
    note_user_code(function);
    if (function == nullptr) return;
    if (findings_.user_function.empty()) {
      findings_.user_function = name;
      if (!function->is_aggregate) findings_.declarable = function->schema + "." + function->name;
    }
    return;
  }
  if (name == "name") findings_.collates = true;
  if (function->is_aggregate) {
    note_aggregate(node, scope);
    if (!is_orderless_aggregate(name)) findings_.depends_on_order();
  }
  if (const auto kind = clock_kind(node)) return note_clock(node, *kind);
  if (is_clock_type(name)) {  // date(x): a cast written as a function
    findings_.clock_text = true;
    if (!is_clock_value(argument(node, 0))) findings_.set_not_immutable(name);
  } else if (function->volatility != schema::Volatility::kImmutable) {
    findings_.set_not_immutable(name);
    if (!same_on_all_shards(name)) findings_.set_varies(name);
  }
  if (function_trait(name) != FunctionTrait::kNone) {
    apply_trait(node, name);
  } else if (function->volatility == schema::Volatility::kVolatile) {
    findings_.unproven();
  }
}

// What a function of users may leave on the session.
void QueryWalker::note_user_code(const schema::Function* function) {
  const bool opaque = function != nullptr && function->names_settings_at_run_time;
  if (opaque) {
    findings_.refuse(unsupported("function " + function->name + " sets parameters whose names are known at run time only",
                                 "Name the parameter in the function's text, or use SET.",
                                 "With several shards, the others would not be told of the setting."));
  }
  findings_.pin_for(opaque ? PinReason::kSetConfig : PinReason::kUserCode);
}

// Whichever function of that name the server takes: the arguments' types decide, which are not known here.
bool QueryWalker::declared_shard_local(const TreeNode* node) const {
  if (context_.rules == nullptr || context_.rules->shard_local.empty()) return false;
  const auto& rules = *context_.rules;
  const auto name = text_of(node);
  const auto schema = qualifier_of(node);
  if (!schema.empty()) {
    const schema::Function* function = context_.catalog->function(schema, name, {});
    return function != nullptr && is_shard_local(rules, *function);
  }
  if (context_.catalog->function("pg_catalog", name, {}) != nullptr) return false;
  bool any = false;
  for (const auto& entry : context_.search_path) {
    const schema::Function* function = context_.catalog->function(entry, name, {});
    if (function == nullptr) continue;
    if (!is_shard_local(rules, *function)) return false;
    any = true;
  }
  return any;
}

// Its declaration says that it reads no rows but those of the row's own key; what it does beside that, and how its results vary from call
// to call, its volatility says.
void QueryWalker::call_shard_local(const schema::Function& function) {
  note_user_code(&function);
  findings_.read_only = false;
  if (function.volatility == schema::Volatility::kImmutable) return;
  findings_.set_not_immutable(function.name);
  if (findings_.shard_local.empty()) findings_.shard_local = function.name;
  if (function.volatility == schema::Volatility::kStable) return;
  findings_.unproven();
  findings_.set_varies(function.name);
}

// set_config(name, value, is_local): which parameter it is about.
void QueryWalker::note_set_config(const TreeNode* node) {
  ConfigCall call;
  call.local = is_true(argument(node, 2));
  const TreeNode* name = argument(node, 0);
  if (is(name, TREE_CAST)) name = kid(name, 0);
  const bool plain = kid(node, 0) != nullptr && kid(node, 0)->count == 3 && !has(node, TREE_FLAG_VARIADIC);
  if (plain && is(name, TREE_CONST) && name->op == TREE_CONST_STRING) {
    slots_.read(name);
    for (const char c : text_of(name)) call.name.push_back(lower_ascii(c));
  } else if (plain && is(name, TREE_PARAM) && name->number > 0) {
    call.param = static_cast<std::uint32_t>(name->number - 1);
  } else {
    findings_.refuse(unsupported("set_config of a parameter that is not named in the statement is not supported with several shards",
                                 "Write the parameter's name as a literal, or bind it as $1.",
                                 "The other shards would not be told of the setting."));
    if (!call.local) findings_.pin_for(PinReason::kSetConfig);
    return;
  }
  if (call.name.empty() && is(name, TREE_CONST)) return;  // the server's error
  findings_.configs.push_back(std::move(call));
}

void QueryWalker::apply_trait(const TreeNode* node, std::string_view name) {
  const std::string shown(name);
  switch (function_trait(name)) {
    case FunctionTrait::kNone:
      return;
    case FunctionTrait::kServer:
    case FunctionTrait::kHarmless:
      findings_.read_only = false;
      return;
    case FunctionTrait::kSetConfig:
      findings_.unproven();
      note_set_config(node);
      return;
    case FunctionTrait::kSessionLock:
      findings_.unproven();
      findings_.pin_for(PinReason::kAdvisoryLock);
      return;
    case FunctionTrait::kSessionUnlock:
      findings_.unproven();
      findings_.unlocks = true;
      return;
    case FunctionTrait::kListening:
      findings_.unproven();
      findings_.pin_for(PinReason::kListen);
      return;
    case FunctionTrait::kLock:
      findings_.unproven();
      return;
    case FunctionTrait::kSequence:
      findings_.read_only = false;
      if (name == "nextval" || name == "setval") {
        findings_.harmless = findings_.pure = false;
        if (findings_.sequence_call.empty()) findings_.sequence_call = name;
        return;
      }
      findings_.refuse(unsupported("function " + shown + " is not supported with several shards",
                                   "Use INSERT ... RETURNING, or the value that nextval gave.",
                                   "Each shard has a part of the sequence's values of its own."));
      return;
    case FunctionTrait::kNotify:
      findings_.unproven();
      findings_.notifies = true;
      return;
    case FunctionTrait::kHiddenRead:
      findings_.unproven();
      findings_.refuse(
          unsupported("function " + shown + " is not supported with several shards",
                      "Write the query itself instead of its text.",
                      "It runs a query that is given as text, and cannot be proven to stay on one shard."));
      return;
    case FunctionTrait::kShardContent:
      findings_.read_only = false;
      findings_.refuse(unsupported("function " + shown + " answers differently on every shard",
                                   "Ask the shard itself, over a connection of its own.",
                                   "It tells of the server that it runs on."));
      return;
  }
}

}  // namespace howdah::sharding::sql
