#include "proxy/core/prepared.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace howdah::proxy {

namespace {

// One sequence for all workers: a connection that moves to another worker brings the names of the first along.
std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::string key_of(std::string_view text, std::span<const Oid> types, std::uint64_t settings_scope) {
  std::string key;
  key.reserve(text.size() + 1 + types.size_bytes() + sizeof settings_scope);
  key.append(text).push_back('\0');
  key.append(reinterpret_cast<const char*>(&settings_scope), sizeof settings_scope);
  key.append(reinterpret_cast<const char*>(types.data()), types.size_bytes());
  return key;
}

// No text of a Parse contains a zero byte.
std::string sql_key_of(std::string_view tail, std::uint64_t settings_scope) {
  return std::string(1, '\0') + key_of(tail, {}, settings_scope);
}

}  // namespace

StatementPtr StatementRegistry::make_unnamed(std::string_view text, std::vector<Oid> types) {
  auto statement = std::make_shared<Statement>();
  statement->text = text;
  statement->types = std::move(types);
  statement->id = next_id();
  statement->unnamed = true;
  return statement;
}

void StatementRegistry::rewrite_unnamed(Statement& statement, std::string_view text, std::span<const Oid> types) {
  if (statement.text != text || !std::equal(types.begin(), types.end(), statement.types.begin(), statement.types.end())) {
    statement.text.assign(text);
    statement.types.assign(types.begin(), types.end());
    statement.described_types.clear();
    statement.plan.reset();
    statement.scope = 0;
  }
  statement.id = next_id();
}

StatementPtr StatementRegistry::intern(std::string_view text, std::vector<Oid> types, std::uint64_t settings_scope) {
  auto statement = intern_key(key_of(text, types, settings_scope), text, settings_scope);
  if (statement->types.empty()) statement->types = std::move(types);
  return statement;
}

StatementPtr StatementRegistry::intern_sql(std::string_view tail, std::string_view inner, std::uint64_t settings_scope) {
  auto statement = intern_key(sql_key_of(tail, settings_scope), inner, settings_scope);
  if (statement->sql_tail.empty()) statement->sql_tail = tail;
  return statement;
}

StatementPtr StatementRegistry::intern_key(std::string key, std::string_view text, std::uint64_t settings_scope) {
  auto& slot = by_key_[std::move(key)];
  if (auto known = slot.lock()) return known;
  auto statement = std::make_shared<Statement>();
  statement->text = text;
  statement->settings_scope = settings_scope;
  statement->id = next_id();
  slot = statement;
  if (by_key_.size() > sweep_at_) sweep();
  return statement;
}

void StatementRegistry::retire(Statement& statement) {
  if (statement.unnamed || std::exchange(statement.retired, true)) return;
  by_key_.erase(statement.sql_tail.empty() ? key_of(statement.text, statement.types, statement.settings_scope)
                                           : sql_key_of(statement.sql_tail, statement.settings_scope));
}

void StatementRegistry::sweep() {
  std::erase_if(by_key_, [](const auto& entry) { return entry.second.expired(); });
  sweep_at_ = std::max<std::size_t>(1024, by_key_.size() * 2);
}

bool ServerStatements::contains(std::uint64_t id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  order_.splice(order_.begin(), order_, found->second);
  return true;
}

void ServerStatements::add(std::uint64_t id) {
  if (by_id_.contains(id)) return;
  order_.push_front(id);
  by_id_[id] = order_.begin();
  plain_.erase(id);
}

void ServerStatements::remove(std::uint64_t id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  order_.erase(found->second);
  by_id_.erase(found);
  plain_.erase(id);
}

std::uint64_t ServerStatements::evict(std::size_t limit) {
  if (by_id_.size() < limit || order_.empty()) return 0;
  const std::uint64_t last = order_.back();
  remove(last);
  return last;
}

void ServerStatements::clear() {
  order_.clear();
  by_id_.clear();
  plain_.clear();
  unnamed = 0;
}

}  // namespace howdah::proxy
