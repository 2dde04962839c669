// A Bind with values of any size, up to PostgreSQL's own limit of 1 GiB: read, renamed and handed on piece by piece, no
// faster than the server takes it. With one shard only: with more, the values decide where they go.
// https://www.postgresql.org/docs/15/protocol-message-formats.html
#include <algorithm>

#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

// The message's first bytes are in the buffer, `total` in all. False: it is to be handled as a whole.
Task<bool> Session::large_bind(std::size_t total) {
  if (pools_ == nullptr || pools_->database->sharded()) co_return false;
  const Bytes body = in_.view().substr(pgwire::kHeaderSize);
  ByteReader reader(body);
  pgwire::BindMessage bind;
  if (!reader.read_cstring(bind.portal) || !reader.read_cstring(bind.statement)) co_return false;
  const std::size_t names = pgwire::kHeaderSize + body.size() - reader.rest().size();
  if (!bind.formats.read(reader) || !reader.read(bind.params.count)) co_return false;
  const std::string portal(bind.portal), statement(bind.statement), formats(bind.formats.raw);
  bind.portal = portal;
  bind.statement = statement;
  bind.formats.raw = formats;
  in_.consume(names);
  std::size_t rest = total - names;
  ext().large_rest = rest;
  ++ext().repeat.messages;  // its bytes are not kept: the group cannot be read again
  co_await on_bind({}, &bind);
  ext_->large_rest = 0;
  ServerConn* conn = std::exchange(ext_->large_conn, nullptr);
  // Without a server to take it, it is an error that was answered, or one that is skipped.
  while (rest > 0 && !closing_) {
    if (conn != nullptr && conn->lost()) conn = nullptr;
    if (conn != nullptr && conn->congested()) {
      co_await suspend();
      continue;
    }
    if (in_.empty() && !read_client()) {
      if (!closing_) co_await suspend();
      continue;
    }
    const std::size_t part = std::min(rest, in_.size());
    if (conn != nullptr) conn->flush(in_.view().substr(0, part));
    in_.consume(part);
    rest -= part;
  }
  co_return true;
}

}  // namespace howdah::proxy
