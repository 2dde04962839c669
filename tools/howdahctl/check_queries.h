// `howdahctl check-queries`: how the statements of an application would run, as the proxy says by EXPLAIN (HOWDAH). Runs none of them.
#pragma once

#include <string>

#include "tools/howdahctl/query_file.h"

namespace howdah::ctl {

struct CheckQueries {
  std::string file;         // "-": standard input
  std::string statistics;   // URL of a server with pg_stat_statements, in the place of a file
  std::string url, database;
  QueryFormat format = QueryFormat::kAuto;
  bool json = false;

  // The exit code: 0 when every statement runs, 1 when one is refused or wrong, 2 when nothing could be checked.
  int run() const;
};

}  // namespace howdah::ctl
