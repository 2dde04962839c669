// The outcome of a distributed transaction, as the commit point's howdah.decisions tells it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/error.h"
#include "proxy/control/shard_session.h"
#include "proxy/control/transaction_outcome.h"

namespace howdah::control {

// Makes sure that there is an outcome: 'abort', unless a decision stands. `token_hash` in hex. The answer may
// be acted upon: it has survived a synchronous write after it was read. Any error means in doubt:
// lock_timeout while the coordinator's COMMIT is still under way, a lost connection, a standby that does not
// confirm. REQUIRES: an open session to the commit point's primary.
boost::asio::awaitable<Result<Outcome>> settle_outcome(ShardSession& commit_point, std::string token_hash);

// Commits or rolls back a prepared transaction on its participant, under its owner's role. Success also when
// it is gone already: somebody else finished it.
boost::asio::awaitable<Result<void>> finish_prepared(ShardSession& participant, std::string gid,
                                                     std::string owner, Outcome outcome);

// Removes abort rows that no open transaction can still contradict. A transaction that was open when the row
// was written could yet insert 'commit'. Gives the number removed.
boost::asio::awaitable<Result<std::int64_t>> collect_aborts(ShardSession& commit_point,
                                                            std::chrono::seconds margin);

// Removes registered connections that have ended.
boost::asio::awaitable<Result<void>> collect_connections(ShardSession& shard);

}  // namespace howdah::control
