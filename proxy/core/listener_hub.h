// The one connection over which the clients of a database listen, for all workers. https://www.postgresql.org/docs/15/sql-listen.html
//
//   session --listen/fence--> hub thread --LISTEN a; NOTIFY own, 'n'--> shard 0's primary
//   session <--answer-------- hub thread <--- notifications ... own 'n' ... notifications
//
// A request is answered when the hub's own notification comes back: PostgreSQL queues notifications in the order of commit, so
// what came before it was committed before, and what comes later is handed out later.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "drivers/pq/notify_link.h"

namespace howdah::proxy {

// Thread-safe; the callbacks are called on the hub's thread. The thread runs from the first request to stop().
class ListenerHub {
 public:
  struct Callbacks {
    std::function<pq::ConnectParams()> params;
    // To worker `worker`: the answer to request `id`; null: in effect.
    std::function<void(std::size_t worker, std::uint64_t id, const Error* error)> answer;
    std::function<void(std::size_t worker, const pq::Notification& notification)> deliver;
    // Notifications of this channel may be missing before the next one.
    std::function<void(std::size_t worker, const std::string& channel)> gap;
  };

  ListenerHub(std::string database, Callbacks callbacks);
  ~ListenerHub();

  // Worker `worker` has one client more for each of these channels. Answered when what is committed from now on comes.
  void listen(std::size_t worker, std::uint64_t id, std::vector<std::string> channels);
  void unlisten(std::size_t worker, const std::vector<std::string>& channels);
  // Answered when all that was committed before has been delivered, or cannot be.
  void fence(std::size_t worker, std::uint64_t id);
  // Notifications of server process `backend` are shown as client `client`'s until it is given up.
  void claim(std::int32_t backend, std::int32_t client);
  void unclaim(std::int32_t backend);
  // Whether anybody listens: one atomic load.
  bool active() const { return active_.load(std::memory_order_acquire); }
  // The server to listen on may be another one now.
  void look_again();
  void stop();

 private:
  struct Request {
    std::size_t worker = 0;
    std::uint64_t id = 0;
    std::vector<std::string> channels;  // empty: a fence
    SteadyTime deadline;
  };

  void add(Request request);
  void wake();
  void run();
  bool wanted();
  bool open();
  void start_batch();
  void take_in();
  void end_batch(const std::string& error);
  void lost();
  void refuse_late();
  void deliver(pq::Notification notification);

  const std::string database_;
  const Callbacks callbacks_;
  const std::string own_channel_;
  int wake_fd_ = -1;
  std::thread thread_;
  std::atomic<bool> active_{false};
  std::atomic<bool> stop_{false};
  std::atomic<bool> look_again_{false};

  std::mutex mutex_;
  std::vector<Request> requests_;                                     // guarded by mutex_
  std::map<std::string, std::map<std::size_t, std::size_t>> channels_;  // clients by channel and worker; guarded by mutex_
  std::map<std::int32_t, std::int32_t> claims_;                       // guarded by mutex_
  std::vector<std::string> dropped_;                                  // nobody listens to these any more; guarded by mutex_
  bool started_ = false;                                              // guarded by mutex_

  // The thread's own.
  pq::NotifyLink link_;
  std::vector<Request> batch_;   // sent, not yet answered
  std::uint64_t batch_number_ = 0;
  bool batch_out_ = false;
  SteadyTime batch_deadline_;
  bool had_channels_ = false;    // the connection that was lost listened for somebody
  SteadyTime retry_at_;
  pq::ConnectParams opened_with_;
};

}  // namespace howdah::proxy
