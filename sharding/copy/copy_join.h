// COPY TO STDOUT of several shards as one stream: one header, one trailer, the rows shard by shard.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-COPY
#pragma once

#include <string>

#include "sharding/copy/copy_rows.h"
#include "sharding/write/reply_join.h"

namespace howdah::sharding {

class CopyJoin final : public ReplyJoin {
 public:
  explicit CopyJoin(const CopyFormat& format) : binary_(format.kind == CopyKind::kBinary), header_(format.header) {}

  // The next shard's answer begins.
  void begin() {
    ++shards_;
    first_data_ = true;
  }
  Step run(std::string& stream, std::string& out, std::size_t most) override;
  // The end of the data. After all shards.
  void finish(std::string& out) const;
  std::string tag() const { return "COPY " + std::to_string(rows_); }

 private:
  void take_data(Bytes body, std::string& out);

  bool binary_;
  bool header_;
  std::size_t shards_ = 0;
  bool first_data_ = true;
  std::uint64_t rows_ = 0;
};

}  // namespace howdah::sharding
