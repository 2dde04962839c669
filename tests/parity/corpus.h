// Statements in text files, with directives in their comments.
//
//   -- shape: NAME            from here on, the line of the report that statements count for
//   -- writes                 from here on statements write; `-- reads` ends this
//   -- params: 42 | text | \N values of $1, $2, ... of the next statement; several lines: as many executions
//   -- ties: 2 1              its ORDER BY is by these columns of the result (from 1), and rows tie
//   -- ties, cut: 2 1         as before, under a LIMIT that may cut between rows that tie
//   -- any rows               LIMIT without ORDER BY: only their number is PostgreSQL's to say
//   -- data: LINE             for its COPY FROM STDIN; \x at the end of the line leaves out the line feed
//   -- fault: WHY             the proxy is known to answer wrong: the test says so loudly, and fails when it no longer does
//   -- block ... -- end       statements of one session, counted as one case; afterwards a transaction still open is rolled back
//   -- string ... -- end      statements sent as one simple query
//
// Statements end with a semicolon at the end of a line. Other comment lines are for people.
#pragma once

#include <string>
#include <vector>

#include "tests/parity/answer.h"

namespace howdah::parity {

struct Step {
  std::string sql;
  std::vector<Row> values;  // one row an execution; empty: no parameters
  std::string copy_data;
  Order order;
};

struct Case {
  std::string shape, place, fault;  // place: FILE:LINE
  bool writes = false, block = false, string = false;
  std::vector<Step> steps;
};

// Throws std::runtime_error with file and line when a directive is not understood.
std::vector<Case> read_corpus(const std::string& file);
std::vector<Case> read_corpora(const std::string& folder);

}  // namespace howdah::parity
