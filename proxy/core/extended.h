// What a session remembers of the extended protocol: a client's prepared statements, its portals, and the messages
// since its last Sync. Made when a client first uses it; owned by its Session, on that session's thread.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "drivers/net/buffer.h"
#include "proxy/core/portal_rows.h"
#include "proxy/core/prepared.h"
#include "proxy/core/settings.h"
#include "sharding/router.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

class ServerConn;
class ShardPortals;

// A name of a client's, by Parse or by PREPARE in SQL: PostgreSQL has one space of names for both.
struct ClientStatement {
  StatementPtr statement;
  std::uint64_t description = 0;  // hash of the last RowDescription that the client saw of it; 0: none
};
using ClientStatementPtr = std::shared_ptr<ClientStatement>;

// A portal of the extended protocol, from Bind to the end of its transaction (or Sync outside of one).
struct Portal {
  std::string name;
  sharding::sql::PlanPtr plan;        // null: a statement without text (empty query)
  StatementPtr statement;
  ClientStatementPtr client;          // null: bound from the unnamed statement
  ServerConn* conn = nullptr;         // null: answered by the proxy, or run on all shards
  bool on_all = false;
  std::size_t steps = 0;              // Transaction::replay's size at Bind
  bool described = false;             // on_all: the client asked for a description
  bool binary = false;                // it gives columns in binary format
  bool done = false;                  // answered by the proxy: it was, and runs only once
  bool in_failed = false;             // bound in a failed transaction; those bound before can no more be run there
  std::string bind_tail;              // on_all, and of EXPLAIN (HOWDAH): the Bind message behind its names
  sharding::Route route;              // on_all: kAllShards or kManyShards
  bool bound = false;                 // ... the client has its BindComplete: else Execute answers that, too
  std::shared_ptr<ShardPortals> stream;  // ... once it was opened on the shards
  std::shared_ptr<PortalRows> rows;   // ... of one whose rows do not stream: those left, once it was executed with a limit
};

// The parameters of a portal's Bind message, of these types. They borrow from `portal`.
void read_params(const Portal& portal, std::span<const Oid> types, std::vector<sharding::BoundParam>& out);

struct Extended {
  // Names can be looked up without making a string of them.
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  std::unordered_map<std::string, ClientStatementPtr, NameHash, std::equal_to<>> named;
  StatementPtr unnamed;
  StatementPtr spare;                 // the unnamed statement before that, to be written over

  // Which settings statements are parsed under: see Session::statement_scope().
  std::uint64_t settings_scope = 0;
  SettingsPtr settings_scope_of;
  std::uint64_t local_scope = 0;      // while a SET LOCAL is in force: shared with no other transaction

  // Since the last Sync:
  bool failed = false;                // messages are skipped up to Sync
  bool active = false;                // any message came
  bool ran = false;                   // ... among them an Execute of anything but transaction control
  ServerConn* conn = nullptr;         // where unsynced messages went
  struct Pending {                    // parsed, its ParseComplete still owed, sent nowhere yet
    StatementPtr statement;
    std::string name;
    StatementPtr before;
  };
  // Whether it may be read and handled once more: see session_repeat.cc.
  struct Repeat {
    std::size_t bytes = 0;            // of its messages so far
    std::uint32_t messages = 0;
    std::uint32_t plain = 0;          // of these: nothing but what a read of one server needs
    int times = 0;                    // that it is being repeated
  };
  Repeat repeat;
  std::vector<Pending> pending;
  std::vector<Portal> portals;
  std::optional<std::string> unanswered;  // a portal over several shards whose Bind (and Describe) is still owed an answer

  std::uint32_t copy_syncs = 0;       // sent inside a COPY that had failed: still to be answered

  // What the end of a message that was sent (or faked) means, and how it is undone when the server skipped it.
  struct Effect {
    enum class Kind : std::uint8_t {
      kNothing,
      kExecute,      // plan, statement
      kParse,        // of the client's: statement, name, before; `server` where one was sent
      kServerParse,  // of the proxy's own: statement
      kEvict,        // Close that makes room on the server: id
      kClose,        // of the client's, which no server sees: name, client or before
      kBind,         // of a named portal, or in the place of an unnamed one: name, id
      kDescribe,     // client
    };
    Kind kind = Kind::kNothing;
    bool server = false;
    std::uint64_t id = 0;             // kEvict; kBind: in `replaced`, or 0; a Parse of the unnamed statement: what it was on the server before
    sharding::sql::PlanPtr plan;
    StatementPtr statement;
    StatementPtr before;              // what the unnamed statement was
    ClientStatementPtr client;
    std::string name;
  };
  std::vector<Effect> effects;        // by ServerEntry::effect - 1
  std::vector<Portal> replaced;       // by Effect::id - 1: unnamed portals that a Bind took the place of
  bool replaced_by_bind = false;      // the Bind at hand did so

  // A statement that servers may hold with an outdated result: see session_heal.cc.
  struct Risk {
    ClientStatementPtr client;
    int uses = 0;                     // 1: the group can be sent again; more: it is not worth it
    bool described = false;           // the client asked what the result looks like
    bool stale = false;               // the server refused it, and the client does not know yet
    std::string error;                // the whole ErrorResponse
    net::Buffer sent;                 // what the server got since the last Sync
    void clear() {
      if (client != nullptr) *this = Risk{};
      uses = 0;
    }
  };
  Risk risk;

  std::size_t large_rest = 0;         // of a Bind whose values are still to come: bytes behind its names
  ServerConn* large_conn = nullptr;   // that awaits them
  ClientStatementPtr executing;       // by EXECUTE in SQL, to be prepared anew if it is outdated
  std::string missing;                // the name in an EXECUTE by Bind for which there is no statement
};

}  // namespace howdah::proxy
