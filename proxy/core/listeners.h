// Which sessions of one worker listen to which channels: between them and the databases' shared listeners.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "drivers/pq/notify_link.h"

namespace howdah::proxy {

class Session;
class Worker;

// All calls on the worker's thread.
class Listeners {
 public:
  explicit Listeners(Worker& worker) : worker_(worker) {}

  // The session is told by Session::on_listener() when notifications committed from then on reach it.
  void listen(Session& session, const std::string& database, const std::vector<std::string>& channels);
  void unlisten(Session& session, const std::string& database, const std::vector<std::string>& channels);
  // The session is told when all notifications committed before have reached it.
  void fence(Session& session, const std::string& database);
  // Whether any client of this process listens in the database: only then does anybody mind who notifies.
  bool active(const std::string& database);
  void claim(const std::string& database, std::int32_t backend, std::int32_t client);
  void unclaim(const std::string& database, std::int32_t backend);
  // The session asks nothing any more. REQUIRES: it has given up its channels.
  void forget(Session& session);

  // From the shared listener.
  void answered(std::uint64_t id, const Error* error);
  void deliver(const std::string& database, const pq::Notification& notification);
  void gap(const std::string& database, const std::string& channel);

 private:
  struct Request {
    Session* session = nullptr;  // null: it has gone
    std::string database;
    std::vector<std::string> channels;
  };
  static std::string key(const std::string& database, const std::string& channel) { return database + '\0' + channel; }
  void hand_out(const std::string& database, const std::string& channel, const std::string& message);

  Worker& worker_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Request> requests_;
  std::unordered_map<std::string, std::vector<Session*>> sessions_;  // by key(), in the order of their LISTEN
};

}  // namespace howdah::proxy
