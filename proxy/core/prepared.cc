#include "proxy/core/prepared.h"

namespace howdah::proxy {

StatementPtr StatementRegistry::intern(std::string_view text, std::vector<Oid> types) {
  std::string key;
  key.reserve(text.size() + 1 + types.size() * sizeof(Oid));
  key.append(text).push_back('\0');
  key.append(reinterpret_cast<const char*>(types.data()), types.size() * sizeof(Oid));
  auto& slot = by_key_[std::move(key)];
  if (auto known = slot.lock()) return known;
  auto statement = std::make_shared<Statement>();
  statement->text = text;
  statement->types = std::move(types);
  statement->id = next_id_++;
  slot = statement;
  if (by_key_.size() > sweep_at_) sweep();
  return statement;
}

void StatementRegistry::sweep() {
  std::erase_if(by_key_, [](const auto& entry) { return entry.second.expired(); });
  sweep_at_ = std::max<std::size_t>(1024, by_key_.size() * 2);
}

bool ServerStatements::contains(const StatementPtr& statement) {
  auto found = by_id_.find(statement->id);
  if (found == by_id_.end()) return false;
  order_.splice(order_.begin(), order_, found->second);
  return true;
}

void ServerStatements::add(const StatementPtr& statement) {
  order_.push_front(statement);
  by_id_[statement->id] = order_.begin();
}

void ServerStatements::remove(const Statement& statement) {
  auto found = by_id_.find(statement.id);
  if (found == by_id_.end()) return;
  order_.erase(found->second);
  by_id_.erase(found);
}

StatementPtr ServerStatements::evict(std::size_t limit) {
  if (by_id_.size() < limit || order_.empty()) return nullptr;
  StatementPtr last = order_.back();
  remove(*last);
  return last;
}

void ServerStatements::clear() {
  order_.clear();
  by_id_.clear();
  unnamed.reset();
}

}  // namespace howdah::proxy
