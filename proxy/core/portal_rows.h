// The rows of a portal over several shards that is executed a few at a time: all are taken at once and kept here.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace howdah::proxy {

class PortalRows {
 public:
  // `answer`: the statement's messages up to CommandComplete. Those that are no rows go to `out` at once, but for that last one.
  PortalRows(Bytes answer, std::string& out);

  // The next `most` rows (0: all that are left), and then PortalSuspended, or CommandComplete when there were fewer.
  void give(std::uint32_t most, std::string& out);
  std::size_t bytes() const { return rows_.size(); }

 private:
  std::string rows_;         // DataRow messages
  std::size_t at_ = 0;
  bool counts_ = false;
  std::string tag_;          // without its count: that is of each Execute by itself
};

}  // namespace howdah::proxy
