#include "proxy/core/prepared.h"

#include <atomic>

namespace howdah::proxy {

namespace {

// One sequence for all workers: a connection that moves to another worker brings the names of the first along.
std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
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

std::string StatementRegistry::key_of(std::string_view text, std::span<const Oid> types) {
  std::string key;
  key.reserve(text.size() + 1 + types.size() * sizeof(Oid));
  key.append(text).push_back('\0');
  key.append(reinterpret_cast<const char*>(types.data()), types.size() * sizeof(Oid));
  return key;
}

void StatementRegistry::forget(const Statement& statement) {
  const auto found = by_key_.find(key_of(statement.text, statement.types));
  if (found != by_key_.end() && found->second.lock().get() == &statement) by_key_.erase(found);
}

StatementPtr StatementRegistry::intern(std::string_view text, std::vector<Oid> types) {
  auto& slot = by_key_[key_of(text, types)];
  if (auto known = slot.lock()) return known;
  auto statement = std::make_shared<Statement>();
  statement->text = text;
  statement->types = std::move(types);
  statement->id = next_id();
  slot = statement;
  if (by_key_.size() > sweep_at_) sweep();
  return statement;
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
  order_.push_front(id);
  by_id_[id] = order_.begin();
}

void ServerStatements::remove(std::uint64_t id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  order_.erase(found->second);
  by_id_.erase(found);
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
  unnamed = 0;
}

}  // namespace howdah::proxy
