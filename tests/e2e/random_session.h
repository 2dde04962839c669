// A client that does anything the protocol allows, in an order that a seed decides.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/e2e/raw_client.h"

namespace howdah::e2e {

// A few messages that belong together, and what they are answered with.
struct Move {
  // What the server owes for one message.
  enum class Owes : std::uint8_t {
    kReply,      // one last message of its own: any of the extended protocol
    kReady,      // Sync
    kReadyOrCopy,  // Sync sent with an Execute that may begin COPY FROM STDIN, which takes the Sync as its own
    kQuery,      // ReadyForQuery after anything: Query, FunctionCall
  };
  std::string bytes;
  std::string label;           // for people
  std::vector<Owes> owes;
  bool glued = false;          // makes no sense without the one before
  bool wait = false;           // the client reads all its answers before it goes on
};

struct RandomSession {
  std::uint64_t seed = 0;
  std::vector<Move> moves;     // the last one waits
  std::string tail;            // sent after that, then the client sends no more: often cut within a message
  std::uint64_t splits = 0;    // seed of where writes end
};

RandomSession make_session(std::uint64_t seed);
std::string describe(const RandomSession& session);

// Knows from the messages that come when nothing more is owed.
class Expectation {
 public:
  void sent(const Move& move);
  void received(char type);
  bool empty() const { return owed_.empty(); }

 private:
  void skip();
  std::vector<Move::Owes> owed_;
  bool skipping_ = false;  // up to the next Sync
};

// Plays the moves on a client that is logged in; the messages read at each wait. With `counts`, how many messages those
// were the first time: the same number is waited for.
std::vector<std::vector<Message>> play(RawClient& client, const RandomSession& session,
                                       const std::vector<std::size_t>* counts = nullptr);

}  // namespace howdah::e2e
