// The shards' answers to one write, one after the other, become one answer.
//
//   shard 0:  2 T D D C(UPDATE 2)    \
//                                     >  2 T D D D C(UPDATE 3)
//   shard 1:  2 T D C(UPDATE 1)      /
//
// Sans-io. CommandComplete is left to the caller, who commits first.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "sharding/write/reply_join.h"

namespace howdah::sharding {

class WriteReply final : public ReplyJoin {
 public:
  struct Options {
    bool describe = true;   // the client is to see RowDescription or NoData
    bool in_order = false;  // rows are kept until give_rows()
  };
  // Of rows in memory; beyond, the statement fails.
  static constexpr std::size_t kMostKept = 64u << 20;

  explicit WriteReply(Options options) : options_(options) {}

  // The next shard's answer begins. `rows` (in_order): which of the statement's rows it is given.
  void begin(std::vector<std::uint32_t> rows = {});
  Step run(std::string& stream, std::string& out, std::size_t most) override;

  // The rows kept, in the order of the statement's own; where shards returned fewer than they were given, shard by shard.
  void give_rows(std::string& out);
  // "UPDATE 3". After all shards.
  std::string tag() const;

 private:
  struct Kept {
    std::uint32_t place = 0;
    std::size_t begin = 0, end = 0;  // in kept_
  };
  bool describe(Bytes message);
  void take_tag(Bytes body);
  void keep(Bytes row);

  Options options_;
  std::string first_description_;
  std::string verb_;
  std::uint64_t rows_ = 0;
  std::size_t shards_ = 0;
  bool bind_told_ = false;
  std::string kept_;
  std::vector<Kept> order_;
  std::vector<std::uint32_t> given_;  // to the shard at hand
  std::size_t returned_ = 0;          // by it
  bool gaps_ = false;
};

}  // namespace howdah::sharding
