// A client's transaction as the client sees it; which servers take part is in the session's links.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/core/hints.h"
#include "proxy/core/settings.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

class ShardPortals;

struct Transaction {
  enum class Kind : std::uint8_t {
    kNone,
    kImplicit,  // opened by the proxy around statements that must be atomic over several shards
    kExplicit,  // BEGIN
  };
  Kind kind = Kind::kNone;
  bool failed = false;  // an error of the proxy's own, or of one shard among several
  bool lost = false;    // a server connection that took part is gone: no savepoint brings it back
  sharding::sql::TransactionOptions options;
  // What a shard that joins later is told after BEGIN, in order: savepoints and SET LOCALs.
  struct Replay {
    bool savepoint = false;
    std::string text;      // a savepoint's name, or the statement
    SettingsPtr settings;  // the client's settings when the savepoint was set
    SettingsPtr local;     // ... and `local`
    HintsPtr hints;        // ... and hints, those in force and those that a COMMIT keeps
    HintsPtr kept_hints;
    std::size_t listens = 0;  // ... and the number of LISTENs and UNLISTENs so far
  };
  std::vector<Replay> replay;
  SettingsPtr settings_at_begin;
  std::int64_t clock = 0;  // now() of what runs on several shards, in microseconds since 1970; 0: not asked for yet
  SettingsPtr local;       // what SET LOCAL made of the parameters that plans depend on; null: none of them
  bool hints_changed = false;
  HintsPtr hints_at_begin; // only when changed
  HintsPtr kept_hints;     // after COMMIT: without what SET LOCAL changed
  // ParameterStatus messages of settings that no joined server takes back by itself.
  std::string report_at_end;
  std::string report_at_rollback;
  // Portals over several shards, also those that nobody else holds any more: see Session::close_dropped().
  std::vector<std::shared_ptr<ShardPortals>> portals;
  std::uint64_t portal_names = 0;

  bool active() const { return kind != Kind::kNone; }
  bool explicit_block() const { return kind == Kind::kExplicit; }
  void clear() { *this = Transaction{}; }
};

// "BEGIN ISOLATION LEVEL ... READ ONLY ...": what a joining shard is told.
std::string begin_statement(const sharding::sql::TransactionOptions& options);

}  // namespace howdah::proxy
