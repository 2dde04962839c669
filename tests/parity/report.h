// The table in docs/SQL_SUPPORT.md: what came of the corpus, shape by shape.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/parity/judge.h"

namespace howdah::parity {

struct Tally {
  int statements = 0, exact = 0, refused = 0, wrong = 0;
  int legal = 0, legal_refused = 0;  // of those that PostgreSQL takes
  std::map<std::string, int> reasons;
};

class Report {
 public:
  void add(const Case& one, const Verdict& verdict);
  Tally sum() const;
  // Markdown, between its markers.
  std::string table() const;

 private:
  std::vector<std::pair<std::string, Tally>> shapes_;  // in the corpus's order
};

// The page with the table put between its markers; throws std::runtime_error when it has none.
std::string with_table(const std::string& page, const std::string& table);

}  // namespace howdah::parity
