// Which of the replicas that may answer a read answers it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "proxy/config/config.h"

namespace howdah::proxy {

// One per worker, used for one choice at a time.
class ReplicaChoice {
 public:
  struct Candidate {
    ServerId server;
    std::uint32_t weight = 1;        // 0: only when all others are 0, too
    bool near = false;               // in the proxy's own zone
    double warmth = 1;               // 0 to 1: how much of its share a server gets that has just come back
    std::uint32_t outstanding = 0;   // statements that run or wait there
    std::uint32_t latency_us = 0;    // of late; 0: not known
    bool last = false;               // read last by this client: it has the client's statements prepared
  };

  void begin() { candidates_.clear(); }
  void add(const Candidate& candidate) { candidates_.push_back(candidate); }
  bool empty() const { return candidates_.empty(); }
  // REQUIRES: not empty.
  ServerId pick(config::Balance balance);

 private:
  void drop_the_far();
  const Candidate& least_outstanding();
  const Candidate& in_turn();
  const Candidate& by_weight();
  const Candidate& faster_of_two();
  double share(const Candidate& candidate) const { return candidate.weight * candidate.warmth; }
  double random();  // from 0 to 1

  std::vector<Candidate> candidates_;
  std::uint64_t turn_ = 0;
  std::uint64_t random_state_ = 0x9e3779b97f4a7c15;
};

}  // namespace howdah::proxy
