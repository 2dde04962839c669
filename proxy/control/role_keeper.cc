#include "proxy/control/role_keeper.h"

#include <algorithm>

namespace howdah::control {

// The configured primary's, if it ever answered; a shard stays the cluster that it was.
void RoleKeeper::choose_system() {
  for (std::size_t i = 0; i < words_.size() && system_ == 0; ++i) system_ = words_[i].system;
}

bool RoleKeeper::claims(std::size_t position) const {
  const ServerWord& word = words_[position];
  return word.answers && !word.in_recovery && !word.vetoed && ours(word) && word.timeline == highest_;
}

void RoleKeeper::decide() {
  choose_system();
  if (words_.size() == 1) {
    // Nobody else could be it: a lone server in recovery serves reads, and says itself what it refuses.
    timeline_ = highest_ = words_[0].timeline;
    writable_ = words_[0].answers;
    reason_ = writable_ ? "" : "it does not answer";
    return;
  }
  for (const ServerWord& word : words_) {
    if (word.answers && ours(word)) highest_ = std::max(highest_, word.timeline);
  }
  std::vector<std::size_t> claimants;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (claims(i)) claimants.push_back(i);
  }
  disputed_ = claimants.size() > 1;
  if (disputed_) return close("several servers claim to be the primary of timeline " + std::to_string(highest_));
  if (claimants.empty()) return explain_absence();
  const std::size_t found = claimants.front();
  const bool first = timeline_ == 0;
  const bool newer = highest_ > timeline_;
  // The one before says itself that it is a standby now.
  const bool left = words_[acting_].answers && words_[acting_].in_recovery;
  if (found != acting_ && !first && !newer && !left) {
    return close("another server claims its timeline " + std::to_string(highest_) + ", and the primary itself does not answer");
  }
  acting_ = found;
  timeline_ = highest_;
  writable_ = true;
  reason_.clear();
}

void RoleKeeper::explain_absence() {
  const ServerWord& word = words_[acting_];
  if (!word.answers) return close("it does not answer, and no other server has been promoted");
  if (!ours(word)) return close("it belongs to another cluster");
  if (word.in_recovery && timeline_ == 0) {
    // A site of standbys only: it serves reads.
    writable_ = true;
    return reason_.clear();
  }
  if (word.in_recovery) return close("it is in recovery, and no other server has been promoted");
  if (word.vetoed) return close("it is not the leader, says Patroni");
  close("it is on timeline " + std::to_string(word.timeline) + ", but timeline " + std::to_string(highest_) + " has begun");
}

Standing RoleKeeper::standing(std::size_t position) const {
  const ServerWord& word = words_[position];
  if (word.system == 0) return Standing::kUnknown;
  if (words_.size() > 1 && !ours(word)) return Standing::kForeign;
  if (position == acting_ && (words_.size() == 1 || (!word.in_recovery && word.timeline == timeline_ && !word.vetoed))) return Standing::kActing;
  if (word.in_recovery) return Standing::kReplica;
  if (word.vetoed) return Standing::kVetoed;
  return word.timeline == highest_ ? Standing::kRival : Standing::kStale;
}

}  // namespace howdah::control
