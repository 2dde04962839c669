// `howdahctl switchover`: another server of a shard becomes its primary, on purpose.
#pragma once

#include <string>

namespace howdah::ctl {

struct Switchover {
  std::string url;
  std::string database;  // empty: the only one
  std::string shard;
  std::string to;        // "host:port"; empty: the replica that is least behind
  bool dry_run = false;
  bool json = false;

  // The exit code: 0 when it is done (or would be), 1 when it was refused or undone.
  int run() const;
};

}  // namespace howdah::ctl
