// Several shards' answers, one after the other, as one answer. Sans-io.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace howdah::sharding {

class ReplyJoin {
 public:
  enum class Step : std::uint8_t {
    kWait,    // until the stream has more
    kFull,    // `most` bytes are out
    kDone,    // this shard has answered
    kFailed,  // by an ErrorResponse of the shard's, or error()
  };

  // Takes whole messages off the front of the shard's `stream`; appends what the client gets to `out`.
  virtual Step run(std::string& stream, std::string& out, std::size_t most) = 0;
  // None (empty message) when a server's ErrorResponse is the reason.
  const Error& error() const { return error_; }

 protected:
  ~ReplyJoin() = default;
  Step fail(Error error) {
    error_ = std::move(error);
    return Step::kFailed;
  }

 private:
  Error error_;
};

}  // namespace howdah::sharding
