// Server messages as lines of text, without what differs between two connections to the same server.
#pragma once

#include <string>
#include <vector>

#include "tests/e2e/raw_client.h"

namespace howdah::e2e {

// One line, e.g. "DataRow 1|\N|abc" or "Error ERROR 42601 syntax error at or near "x" P=8". Left out: the
// numbers of BackendKeyData, OIDs of users' tables, file, line and routine of errors. A body that does not
// decode is shown as "malformed" with its bytes.
std::string to_line(const Message& message);
std::vector<std::string> to_lines(const std::vector<Message>& messages);

// Empty when both are the same; else where they part, a few lines before and after it.
std::string difference(const std::vector<std::string>& expected, const std::vector<std::string>& got);

}  // namespace howdah::e2e
