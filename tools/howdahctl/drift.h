// `howdahctl drift`: where the shards of a database are not alike.
#pragma once

#include <string>

namespace howdah::ctl {

struct Drift {
  std::string url;       // empty: HOWDAH_ADMIN_URL
  std::string database;  // empty: all
  bool json = false;

  // The exit code: 1 when shards differ, or one did not answer.
  int run() const;
};

}  // namespace howdah::ctl
