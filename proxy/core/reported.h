// What a server last reported of its parameters (ParameterStatus), as a value that is compared by pointer first.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-ASYNC
#pragma once

#include <strings.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace howdah::proxy {

struct ByParameterName {
  bool operator()(const std::string& a, const std::string& b) const { return strcasecmp(a.c_str(), b.c_str()) < 0; }
};
using ReportedParams = std::map<std::string, std::string, ByParameterName>;
using ReportedPtr = std::shared_ptr<const ReportedParams>;

// One object per distinct content, most recently used first; one per worker.
class ReportedTable {
 public:
  ReportedPtr intern(const ReportedParams& params);

 private:
  static constexpr std::size_t kMost = 64;
  std::vector<ReportedPtr> known_;
};

// Appends a ParameterStatus for each parameter that a client who was told `told` must hear of now. Whether the server is a
// standby is the proxy's business, not the client's: reads go here and there.
void append_changes(std::string& out, const ReportedParams& told, const ReportedParams& now);

}  // namespace howdah::proxy
