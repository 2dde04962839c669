// What the shards answer while an UPDATE of the sharding key moves its rows: see move_text.h. Sans-io.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "sharding/write/reply_join.h"

namespace howdah::sharding {

// The rows that the shards gave away. `out` of run() gets notices only.
class TakenRows final : public ReplyJoin {
 public:
  struct Row {
    std::size_t begin = 0, end = 0;
  };
  // 53200 beyond `most` bytes.
  explicit TakenRows(std::size_t most) : most_(most) {}
  Step run(std::string& stream, std::string& out, std::size_t most) override;

  const std::vector<Row>& rows() const { return rows_; }
  // A DataRow's body.
  Bytes body(const Row& row) const { return Bytes(bytes_).substr(row.begin, row.end - row.begin); }

 private:
  std::size_t most_;
  std::string bytes_;
  std::vector<Row> rows_;
};

// The answers that the client gets: rows of RETURNING, and how many rows there were.
class MovedReply final : public ReplyJoin {
 public:
  // `head` is what the client gets before the first row.
  explicit MovedReply(std::string head) : head_(std::move(head)) {}
  // So many statements are answered next, by one shard.
  void expect(std::size_t statements) { left_ = statements; }
  Step run(std::string& stream, std::string& out, std::size_t most) override;
  // What has not been given yet, and CommandComplete.
  void finish(std::string& out);

 private:
  std::string head_;
  std::size_t left_ = 0;
  std::uint64_t rows_ = 0;
};

}  // namespace howdah::sharding
