// `howdahctl transactions`: two-phase commits that wait for their outcome.
#pragma once

#include <cstdint>
#include <string>

namespace howdah::ctl {

struct Transactions {
  std::string url;
  std::string database;         // empty: all
  std::int64_t older_than = 1000;  // milliseconds: younger ones are under way
  bool json = false;

  // The exit code: 0, also when there are some; 1 when a shard did not answer.
  int run() const;
};

}  // namespace howdah::ctl
