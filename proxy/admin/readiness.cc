#include "proxy/admin/readiness.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/admin/server_list.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

std::vector<NotReady> not_ready(Proxy& proxy) {
  std::vector<NotReady> reasons;
  for (const auto& [name, database] : proxy.config()->databases) {
    const auto state = proxy.control().database(name);
    if (!state) {
      reasons.push_back({name, "", "", "unknown to this process: it takes effect after a restart"});
      continue;
    }
    for (const ServerView& server : list_servers(database, *state)) {
      if (server.replica || server.serves_writes()) continue;
      reasons.push_back({name, database.shards[server.shard].name, server.address,
                         !server.up ? "primary does not answer" : server.in_recovery ? "primary is in recovery" : "primary is not confirmed: " + server.reason});
    }
  }
  return reasons;
}

std::string readiness_json(const std::vector<NotReady>& reasons, bool draining) {
  boost::json::array list;
  for (const NotReady& reason : reasons) {
    list.push_back(boost::json::object{{"database", reason.database},
                                       {"shard", reason.shard},
                                       {"server", reason.server},
                                       {"reason", reason.reason}});
  }
  return boost::json::serialize(boost::json::object{
             {"ready", reasons.empty() && !draining}, {"draining", draining}, {"reasons", std::move(list)}}) +
         "\n";
}

}  // namespace howdah::admin
