// Restart without a client's noticing: a new process takes the listening sockets and the clients of the old one over.
//
//   new                                     old (serves)
//    |-- connect to restart.socket, Hello -->|
//    |<-- Listeners + their descriptors -----|  both could accept now
//    |   starts its workers                  |
//    |-- Ready ----------------------------->|  stops accepting
//    |<-- Session + the client's descriptor -|  one per client, at its next transaction boundary
//    |-- Adopted, or Refused --------------->|  closes its copy, or serves it on
//    |<-> Cancel, Resume                     |  for sessions that are with the other process
//                                               ends when nobody is left, or after restart.drain_timeout
//
// A session is served by exactly one process: the old one has stopped reading it before it offers it, the new one reads
// it only after its Adopted is in the old one's socket. A process that loses its peer without a Bye serves on with
// what it has: the old one accepts again and takes back every session that was not Adopted. See ADR on restarts.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "proxy/core/handover_link.h"

namespace howdah::proxy {

class Proxy;
class Worker;

// Owned by the proxy. One thread does it all; the public functions may be called from any, unless they say otherwise.
class Takeover {
 public:
  explicit Takeover(Proxy& proxy);
  ~Takeover();  // stops

  // Before start(), from the main thread: asks the process at `path` for its sockets. False: there is none.
  Result<bool> ask(const std::string& path);
  // A descriptor that the old process had under this name ("tcp 127.0.0.1:6432"), the caller's from here on; -1: none.
  int inherited(const std::string& name);
  // What a successor is given; `fd` stays the caller's, and open.
  void offer_listener(const std::string& name, int fd);

  // Everything serves: listens at `path` (empty: nowhere) for a successor, and has the predecessor hand over.
  Result<void> start(const std::string& path);
  // Tells the predecessor that this process ends on purpose.
  void stop();

  // 0 to 7, different from the predecessor's: part of the process ids that clients see, which must differ.
  std::uint32_t generation() const { return generation_; }
  // A successor serves; this process only ends what it has.
  bool away() const { return away_.load(std::memory_order_relaxed); }

  // From workers: a frozen session, to be adopted elsewhere; `fd` stays the session's.
  // `handover`: which one its worker was told of.
  void offer(std::uint32_t handover, std::size_t worker, std::int32_t pid, int fd, std::string state);
  enum class Origin : std::uint8_t { kClient, kPredecessor, kSuccessor };
  // A cancel request for a session that is not here.
  void forward_cancel(std::int32_t pid, const std::string& key, Origin from);
  // RESUME of a database (empty: all), for clients that wait in the old process.
  void forward_resume(const std::string& database);

 private:
  void post(std::function<void()> call);
  void run();
  void poll_once();
  void run_posted();
  void on_connection();
  void read_peers();
  void on_hello(std::unique_ptr<HandoverLink> link, const HandoverPacket& hello);
  void on_successor(HandoverPacket& packet);
  void on_predecessor(HandoverPacket& packet);
  void adopt(HandoverPacket& packet);
  void answer_adoption(std::int32_t pid, Worker& worker, bool adopted);
  void go_away();
  void come_back();
  void look_for_end();
  Result<void> listen();
  void close_listener(bool remove_name);

  Proxy& proxy_;
  std::uint32_t generation_ = 0;
  std::map<std::string, int> inherited_;
  std::vector<std::string> paused_, disabled_;  // databases, in the old process
  std::string path_;
  std::atomic<bool> away_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  int event_ = -1;

  std::mutex mutex_;
  std::map<std::string, int> listeners_;         // guarded by mutex_
  std::vector<std::function<void()>> posted_;    // guarded by mutex_

  // The thread's own.
  int listen_fd_ = -1;
  std::uint64_t listen_inode_ = 0;
  std::unique_ptr<HandoverLink> predecessor_;    // before start(): the main thread's
  std::unique_ptr<HandoverLink> successor_;
  std::vector<std::unique_ptr<HandoverLink>> strangers_;  // connected, no Hello yet
  std::map<std::int32_t, std::size_t> pending_;  // sessions offered, not yet answered: pid to worker
  bool successor_ends_ = false;                  // said Bye
  bool end_asked_ = false;
  std::uint32_t handover_ = 0;                   // counts go_away()
  int quiet_looks_ = 0;
  SteadyTime deadline_;
};

}  // namespace howdah::proxy
