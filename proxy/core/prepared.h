// Prepared statements in transaction mode: clients' names map to shared statements, which servers know under the
// proxy's own names.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

// One distinct (text, parameter types, settings) of one worker. Shared by all clients that prepared it, all of that
// worker: server connections, which move between workers, remember numbers only.
struct Statement {
  std::string text;
  std::vector<Oid> types;
  std::vector<Oid> described_types;          // all parameters' types by the canonical shard's numbers, once a server has told; else empty
  std::uint64_t id = 0;                      // unique in the process; names it on servers: "howdah_<id>"
  std::uint64_t settings_scope = 0;          // under which settings servers parse it: they read constants and names by them
  std::string sql_tail;                      // of PREPARE in SQL: what stood behind the name; `text` is the inner statement
  bool described = false;                    // of PREPARE in SQL: `types` are known
  bool unnamed = false;                      // known to servers as the unnamed statement
  bool retired = false;                      // found outdated: the next Parse of the same text gets another one
  // The plan and the token stream's slots, valid for `scope`; made again when the client's scope is another.
  std::uint64_t scope = 0;
  std::uint64_t verified_scope = 0;          // a server has accepted the text under this scope
  sharding::sql::PlanPtr plan;
  std::vector<sharding::sql::Slot> slots;
  std::uint32_t hint_begin = 0, hint_end = 0;  // of `text`: see TokenStream

  Bytes hint() const { return Bytes(text).substr(hint_begin, hint_end - hint_begin); }
  std::string server_name() const { return unnamed ? std::string() : server_name_of(id); }
  static std::string server_name_of(std::uint64_t id) { return "howdah_" + std::to_string(id); }
};
using StatementPtr = std::shared_ptr<Statement>;

// All named statements of one worker, by text, types and settings. An entry lives while a client knows it.
class StatementRegistry {
 public:
  StatementPtr intern(std::string_view text, std::vector<Oid> types, std::uint64_t settings_scope = 0);
  // By PREPARE in SQL: `tail` is what follows the name. Its types are not known before a server has told them.
  StatementPtr intern_sql(std::string_view tail, std::string_view inner, std::uint64_t settings_scope);
  // Whoever prepares the same again gets another statement. Those who hold this one keep it.
  void retire(Statement& statement);
  // A statement of its own, for the unnamed one of a client.
  static StatementPtr make_unnamed(std::string_view text, std::vector<Oid> types);
  // Writes another text over a statement that nobody else holds: it becomes another one, without new memory.
  static void rewrite_unnamed(Statement& statement, std::string_view text, std::span<const Oid> types);
  std::size_t size() const { return by_key_.size(); }

 private:
  StatementPtr intern_key(std::string key, std::string_view text, std::uint64_t settings_scope);
  void sweep();

  std::unordered_map<std::string, std::weak_ptr<Statement>> by_key_;
  std::size_t sweep_at_ = 1024;
};

// What one server connection has prepared, by Statement::id; least recently used last.
class ServerStatements {
 public:
  // Also makes it the most recently used.
  bool contains(std::uint64_t id);
  // Notes a Parse that was sent, or a Close that was not carried out. Nothing happens when it is known already.
  void add(std::uint64_t id);
  void remove(std::uint64_t id);
  // Takes out the statement to close before one more may be prepared; 0 while there is room.
  std::uint64_t evict(std::size_t limit);
  void clear();
  std::size_t size() const { return by_id_.size(); }
  // Its results hold no number that other shards know differently.
  bool is_plain(std::uint64_t id) const { return plain_.contains(id); }
  void set_plain(std::uint64_t id) {
    if (by_id_.contains(id)) plain_.insert(id);
  }

  // What the unnamed statement currently stands for; 0 when unknown.
  std::uint64_t unnamed = 0;

 private:
  std::list<std::uint64_t> order_;
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> by_id_;
  std::unordered_set<std::uint64_t> plain_;
};

}  // namespace howdah::proxy
