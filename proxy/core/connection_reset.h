// Makes a server connection as new after a client that may have left session state on it.
// https://www.postgresql.org/docs/15/sql-discard.html
#pragma once

#include "proxy/core/server_conn.h"

namespace howdah::proxy {

// One per pool; stateless, so that any number of its connections can be under way.
class ConnectionReset final : public ReplyOwner {
 public:
  // kEmpty only asks for an answer. REQUIRES: the connection is clean and linked to nobody. Its pool hears of the end (Pool::on_reset).
  enum class Depth : std::uint8_t { kEmpty, kFull };
  void begin(ServerConn& conn, Depth depth);

  void on_reply(ServerConn&, Bytes) override {}
  void on_fabricated(ServerConn&, char) override {}
  void on_entry_done(ServerConn&, const ServerEntry&, EntryOutcome) override {}
  void on_ready(ServerConn& from, const ServerEntry& entry) override;
  void on_copy_in(ServerConn&) override {}
  void on_lost(ServerConn& from) override;
  void flush_replies(ServerConn&) override {}
  void on_server_writable(ServerConn&) override {}
};

}  // namespace howdah::proxy
