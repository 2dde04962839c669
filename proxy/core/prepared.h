// Prepared statements in transaction mode: clients' names map to shared statements, which servers know under the
// proxy's own names.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

// One distinct (text, parameter types) of one worker. Shared by all clients that prepared it.
struct Statement {
  std::string text;
  std::vector<Oid> types;
  std::uint64_t id = 0;                      // names it on servers: "howdah_<id>"; 0 for unnamed ones
  // The plan and the token stream's slots, valid for `scope`; made again when the client's scope is another.
  std::uint64_t scope = 0;
  std::uint64_t verified_scope = 0;          // a server has accepted the text under this scope
  sharding::sql::PlanPtr plan;
  std::vector<sharding::sql::Slot> slots;

  std::string server_name() const { return "howdah_" + std::to_string(id); }
};
using StatementPtr = std::shared_ptr<Statement>;

// All named statements of one worker, by text and types. An entry lives while a client or a server knows it.
class StatementRegistry {
 public:
  StatementPtr intern(std::string_view text, std::vector<Oid> types);
  std::size_t size() const { return by_key_.size(); }

 private:
  void sweep();

  std::unordered_map<std::string, std::weak_ptr<Statement>> by_key_;
  std::size_t sweep_at_ = 1024;
  std::uint64_t next_id_ = 1;
};

// What one server connection has prepared, least recently used last.
class ServerStatements {
 public:
  bool contains(const StatementPtr& statement);
  // Notes a Parse that was sent. REQUIRES: !contains(statement).
  void add(const StatementPtr& statement);
  void remove(const Statement& statement);
  // The statement to close before one more may be prepared; null while there is room.
  StatementPtr evict(std::size_t limit);
  void clear();
  std::size_t size() const { return by_id_.size(); }

  // The text that the unnamed statement currently stands for; null when unknown.
  StatementPtr unnamed;

 private:
  std::list<StatementPtr> order_;
  std::unordered_map<std::uint64_t, std::list<StatementPtr>::iterator> by_id_;
};

}  // namespace howdah::proxy
