#include "proxy/core/connection_reset.h"

#include "drivers/pgwire/frontend.h"
#include "proxy/core/pool.h"

namespace howdah::proxy {

namespace {

// The proxy's own prepared statements go, too: what a client prepared in SQL cannot be told apart from here.
constexpr Bytes kReset = "DISCARD ALL";

}  // namespace

void ConnectionReset::begin(ServerConn& conn, Depth depth) {
  conn.link_to(*this);
  std::string message;
  pgwire::append_query(message, depth == Depth::kFull ? kReset : Bytes());
  conn.owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = false,
            .effect = static_cast<std::uint16_t>(depth), .owner = this});
  conn.flush(message);
}

void ConnectionReset::on_ready(ServerConn& from, const ServerEntry& entry) {
  const bool full = entry.effect == static_cast<std::uint16_t>(Depth::kFull);
  // An empty round trip may end in the very cancel that it is there to catch.
  const bool ok = !from.link.error || !full;
  if (full) {
    from.settings = Settings::none();
    from.listens = false;
    from.statements.clear();
  }
  from.pool().on_reset(from, ok);
}

void ConnectionReset::on_lost(ServerConn& from) { from.pool().on_reset(from, false); }

}  // namespace howdah::proxy
