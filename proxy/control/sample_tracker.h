// Which replica has replayed what the primary had written when: the pure half of the replica monitor.
//
//   primary   ----S1------S2------S3---->   samples: (time the question was sent, insert position)
//   replica   ---------R(lsn >= S1.lsn)->   so everything completed before S1.sent is visible there
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/ids.h"

namespace howdah::control {

// What must stay the same for positions to be comparable.
struct ServerIdentity {
  std::uint64_t system = 0;    // pg_control_system().system_identifier
  std::uint32_t timeline = 0;  // primary: of its insert position; replica: received; 0 unknown
  std::int64_t started = 0;    // postmaster start, microseconds since the epoch
  bool operator==(const ServerIdentity&) const = default;
};

// Where the last record before an insert position ends, which is where a replica that replayed it stands.
// They differ only at the start of a page: the insert position stands behind a page header that no record has
// reached, and an idle primary would stay ahead of its replicas forever. Sizes in bytes.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/access/xlog_internal.h
Lsn end_of_last_record(Lsn insert, std::uint64_t block_size, std::uint64_t segment_size);

// One per shard; owned by the control thread. Times are steady nanoseconds. A `caught up` time says: every
// write that was complete before it is visible on the replica; 0 says nothing is known.
class SampleTracker {
 public:
  explicit SampleTracker(std::size_t replicas, std::size_t capacity = 256)
      : capacity_(capacity), replicas_(replicas) {}

  // The primary answered a question sent at `sent`. True when it is not the server or not the timeline it
  // was: all samples and caught-up times are void, the caller must publish 0 for every replica. The
  // postmaster start counts: a primary that crashed may have lost WAL that a sample saw, and write other WAL
  // in its place.
  bool on_sample(std::int64_t sent, const ServerIdentity& primary, Lsn insert);
  // A replica answered; its caught-up time now. A restarted replica starts anew: it may show less than
  // before. Without a received timeline nothing advances.
  std::int64_t on_replay(std::size_t replica, const ServerIdentity& identity, Lsn replayed);
  void on_replica_lost(std::size_t replica) { replicas_[replica] = {}; }
  // The primary says that it is a replica: nothing is known any more.
  void on_primary_lost();

  std::size_t samples() const { return samples_.size(); }

 private:
  struct Sample {
    std::int64_t sent;
    Lsn insert;
  };
  struct Replica {
    ServerIdentity identity;
    std::int64_t caught_up_to = 0;
  };
  void thin_out();

  std::size_t capacity_;
  ServerIdentity primary_;
  std::deque<Sample> samples_;  // both members grow
  std::vector<Replica> replicas_;
};

}  // namespace howdah::control
