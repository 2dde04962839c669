// Statements about transactions, settings, prepared statements, cursors and notifications.
#include <algorithm>

#include "sharding/sql/placement.h"
#include "sharding/sql/scan.h"
#include "sharding/sql/statement.h"

namespace howdah::sharding::sql {

namespace {

// Values of parse.h's VariableSetKind, in the order of parsenodes.h.
enum SetKind { kSetValue, kSetDefault, kSetCurrent, kSetMulti, kReset, kResetAll };

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower_ascii(c);
  return out;
}

// Settings that hold a list of identifiers: their elements are shown quoted where needed (GUC_LIST_QUOTE).
bool is_identifier_list(std::string_view name) {
  return name == "search_path" || name == "temp_tablespaces" || name.ends_with("_preload_libraries");
}

std::string quoted_if_needed(const std::string& name) {
  bool plain = !name.empty() && (name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z'));
  for (char c : name) plain = plain && (c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
  if (plain) return name;
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  return out + "\"";
}

void read_modes(const TreeNode* options, TransactionOptions& out) {
  for (const TreeNode* option : kids(options)) {
    if (!is(option, TREE_OPTION)) continue;
    const auto name = text_of(option);
    const TreeNode* value = kid(option, 0);
    if (name == "transaction_isolation") {
      using Isolation = TransactionOptions::Isolation;
      const auto level = text_of(value);
      out.isolation = level == "read uncommitted"  ? Isolation::kReadUncommitted
                      : level == "read committed"  ? Isolation::kReadCommitted
                      : level == "repeatable read" ? Isolation::kRepeatableRead
                      : level == "serializable"    ? Isolation::kSerializable
                                                   : Isolation::kDefault;
    } else if (name == "transaction_read_only") {
      out.read_only = value != nullptr && value->number != 0;
    } else if (name == "transaction_deferrable") {
      out.deferrable = value != nullptr && value->number != 0;
    }
  }
}

// The text from the value on: for values that are no plain constants, such as intervals.
std::string text_from(const StatementInput& input, const TreeNode* value, const StatementPlan& plan) {
  std::uint32_t begin = plan.end;
  const auto earliest = [&begin](auto&& self, const TreeNode* node) -> void {
    if (node == nullptr) return;
    if (node->location >= 0) begin = std::min(begin, static_cast<std::uint32_t>(node->location));
    for (const TreeNode* item : kids(node)) self(self, item);
  };
  earliest(earliest, value);
  std::string_view text = input.sql.substr(begin, plan.end - begin);
  while (!text.empty() && is_class(static_cast<unsigned char>(text.back()), kSpaceChar))
    text.remove_suffix(1);
  return std::string(text);
}

void set_value(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  SetCommand& set = plan.set;
  const bool list = is_identifier_list(set.name);
  bool first = true;
  for (const TreeNode* argument : kids(node)) {
    if (!first) set.value += ", ";
    first = false;
    if (is(argument, TREE_CONST)) {
      const auto text = constant_text(argument);
      set.value += list ? quoted_if_needed(text) : text;
    } else {
      set.value += text_from(input, argument, plan);
      if (set.name == "timezone") set.kind = SetCommand::Kind::kTimeZone;
    }
  }
}

void plan_set(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.verb = Verb::kSet;
  SetCommand& set = plan.set;
  set.local = has(node, TREE_FLAG_IS);
  set.name = lower(text_of(node));
  switch (node->number) {
    case kSetDefault:
      set.kind = SetCommand::Kind::kDefault;
      break;
    case kReset:
      set.kind = SetCommand::Kind::kReset;
      break;
    case kResetAll:
      set.kind = SetCommand::Kind::kResetAll;
      break;
    case kSetMulti:
      if (set.name == "transaction") {
        plan.verb = Verb::kSetTransaction;
        read_modes(node, plan.transaction);
      } else if (set.name == "session characteristics") {
        set.kind = SetCommand::Kind::kCharacteristics;
        read_modes(node, plan.transaction);
      } else {  // SET TRANSACTION SNAPSHOT
        plan.verb = Verb::kSetTransaction;
        plan.where = Where::kHome;
        if (input.context.sharded()) {
          refuse(plan, unsupported("SET TRANSACTION SNAPSHOT is not supported with several shards",
                                   "Read one shard, over a connection of its own.", "A snapshot is of one server."));
        }
      }
      break;
    default:
      if (node->number == kSetCurrent && !set.local) plan.configs.push_back({set.name, 0, false});
      if (set.name == "role") set.kind = SetCommand::Kind::kRole;
      if (set.name == "session_authorization") set.kind = SetCommand::Kind::kSessionAuthorization;
      set_value(input, node, plan);
      break;
  }
}

void plan_listen(const TreeNode* node, Verb verb, StatementPlan& plan) {
  plan.verb = verb;
  plan.where = Where::kHome;
  plan.name = node->text == nullptr ? std::string() : node->text;
  plan.writes = verb == Verb::kNotify;
  plan.notifies = verb == Verb::kNotify;
  if (verb == Verb::kListen) plan.pin = PinReason::kListen;
}

void refuse_if_sharded(const StatementInput& input, std::string_view what, StatementPlan& plan) {
  plan.where = Where::kHome;
  if (!input.context.sharded()) return;
  const std::string name(what);
  if (plan.verb == Verb::kOther) {
    return refuse(plan, unsupported(name + " is not supported with several shards",
                                    "Add the library to session_preload_libraries on every server.",
                                    "It would be loaded into one server connection only."));
  }
  refuse(plan, unsupported(name + " is not supported with several shards",
                           "Use BEGIN and COMMIT: Howdah commits on all shards atomically.",
                           "A transaction has parts on several shards, which the proxy itself prepares and commits."));
}

const char* discard_target(int mode) {
  static constexpr const char* kTargets[] = {"all", "plans", "sequences", "temp"};
  return mode >= 0 && mode < 4 ? kTargets[mode] : "all";
}

}  // namespace

bool plan_session(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.where = input.context.sharded() ? Where::kProxy : Where::kHome;
  plan.writes = false;
  if (node->text != nullptr) plan.name = node->text;
  const bool flag = has(node, TREE_FLAG_IS);
  switch (node->op) {
    case TREE_U_BEGIN:
      plan.verb = Verb::kBegin;
      read_modes(node, plan.transaction);
      return true;
    case TREE_U_COMMIT:
      plan.verb = Verb::kCommit;
      plan.transaction.chain = flag;
      return true;
    case TREE_U_ROLLBACK:
      plan.verb = Verb::kRollback;
      plan.transaction.chain = flag;
      return true;
    case TREE_U_SAVEPOINT:
      plan.verb = Verb::kSavepoint;
      return true;
    case TREE_U_RELEASE:
      plan.verb = Verb::kRelease;
      return true;
    case TREE_U_ROLLBACK_TO:
      plan.verb = Verb::kRollbackTo;
      return true;
    case TREE_U_PREPARE_TRANSACTION:
      plan.verb = Verb::kPrepareTransaction;
      plan.writes = true;
      refuse_if_sharded(input, "PREPARE TRANSACTION", plan);
      return true;
    case TREE_U_COMMIT_PREPARED:
    case TREE_U_ROLLBACK_PREPARED:
      plan.verb = node->op == TREE_U_COMMIT_PREPARED ? Verb::kCommitPrepared : Verb::kRollbackPrepared;
      plan.writes = plan.no_transaction = true;
      refuse_if_sharded(input, plan.verb == Verb::kCommitPrepared ? "COMMIT PREPARED" : "ROLLBACK PREPARED",
                        plan);
      return true;
    case TREE_U_SET:
      plan_set(input, node, plan);
      return true;
    case TREE_U_SHOW:
      plan.verb = Verb::kShow;
      plan.name = lower(text_of(node));
      plan.returns_rows = true;
      if (!plan.name.starts_with("howdah.")) plan.where = Where::kHome;
      return true;
    case TREE_U_DISCARD:
      plan.verb = Verb::kDiscard;
      plan.name = discard_target(node->number);
      return true;
    case TREE_U_DEALLOCATE:
      plan.verb = Verb::kDeallocate;
      return true;
    case TREE_U_FETCH:
      plan.verb = Verb::kFetch;
      plan.where = Where::kHome;
      plan.returns_rows = !flag;
      plan.writes = true;  // whatever the cursor's query does
      return true;
    case TREE_U_CLOSE:
      plan.verb = Verb::kCloseCursor;
      plan.where = Where::kHome;
      return true;
    case TREE_U_LISTEN:
      plan_listen(node, Verb::kListen, plan);
      return true;
    case TREE_U_UNLISTEN:
      plan_listen(node, Verb::kUnlisten, plan);
      return true;
    case TREE_U_NOTIFY:
      plan_listen(node, Verb::kNotify, plan);
      return true;
    case TREE_U_LOAD:
      plan.verb = Verb::kOther;
      plan.pin = PinReason::kLoad;
      refuse_if_sharded(input, "LOAD", plan);
      return true;
    case TREE_U_CONSTRAINTS:
      plan.verb = Verb::kOther;
      plan.where = input.context.sharded() ? Where::kAllShards : Where::kHome;
      return true;
    default:
      plan.writes = true;
      plan.name.clear();
      return false;
  }
}

}  // namespace howdah::sharding::sql
