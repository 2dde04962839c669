// A client's LISTENs in transaction pooling, where its notifications come over a connection that it shares.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace howdah::proxy {

struct Listening {
  // Beyond this a client that does not read, or stays in a transaction, is disconnected.
  static constexpr std::size_t kMostHeld = 16u << 20;

  // LISTEN and UNLISTEN of the transaction at hand, in order.
  struct Action {
    bool listen = false;
    std::string channel;  // empty: UNLISTEN *
  };
  struct Held {
    std::string channel;
    std::string message;
  };

  std::set<std::string> channels;   // committed
  std::set<std::string> tentative;  // asked for by a transaction that has not committed
  std::vector<Action> actions;
  std::vector<Held> held;           // until the client is between two transactions
  std::size_t held_bytes = 0;
  bool answered = false;            // to the request that the session waits for
  std::unique_ptr<Error> error;
};

}  // namespace howdah::proxy
