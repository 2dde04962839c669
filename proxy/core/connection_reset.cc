#include "proxy/core/connection_reset.h"

#include "drivers/pgwire/frontend.h"
#include "proxy/core/pool.h"

namespace howdah::proxy {

namespace {

// DISCARD ALL without DEALLOCATE ALL: the proxy's prepared statements are no client's state, and stay.
constexpr Bytes kReset =
    "CLOSE ALL;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;UNLISTEN *;SELECT pg_catalog.pg_advisory_unlock_all();"
    "DISCARD TEMP;DISCARD SEQUENCES";

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
  if (full) from.settings = Settings::none();
  from.pool().on_reset(from, ok);
}

void ConnectionReset::on_lost(ServerConn& from) { from.pool().on_reset(from, false); }

}  // namespace howdah::proxy
