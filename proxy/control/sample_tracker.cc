#include "proxy/control/sample_tracker.h"

#include <algorithm>

namespace howdah::control {

namespace {

constexpr std::uint64_t kShortPageHeader = 24;  // SizeOfXLogShortPHD
constexpr std::uint64_t kLongPageHeader = 40;   // SizeOfXLogLongPHD: the first page of a segment

}  // namespace

// No record can end there: its last byte would have to be on this page, behind the header.
Lsn end_of_last_record(Lsn insert, std::uint64_t block_size, std::uint64_t segment_size) {
  if (block_size == 0 || segment_size == 0) return insert;
  if (insert.value() % segment_size == kLongPageHeader) return Lsn(insert.value() - kLongPageHeader);
  if (insert.value() % block_size == kShortPageHeader) return Lsn(insert.value() - kShortPageHeader);
  return insert;
}

void SampleTracker::on_primary_lost() {
  samples_.clear();
  primary_ = {};
  for (auto& replica : replicas_) replica.caught_up_to = 0;
}

bool SampleTracker::on_sample(std::int64_t sent, const ServerIdentity& primary, Lsn insert) {
  bool changed = primary != primary_ || (!samples_.empty() && insert < samples_.back().insert);
  if (changed) {
    on_primary_lost();
    primary_ = primary;
  }
  // At the same position the later question says more, so it takes the earlier one's place.
  if (!samples_.empty() && samples_.back().insert == insert) {
    samples_.back().sent = std::max(samples_.back().sent, sent);
    return changed;
  }
  samples_.push_back({sent, insert});
  if (samples_.size() > capacity_) thin_out();
  return changed;
}

// A replica far behind: every second sample of the older half goes. It catches up a little later than it
// could, never too early.
void SampleTracker::thin_out() {
  std::size_t kept = 0;
  const std::size_t half = samples_.size() / 2;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (i < half && i % 2 == 0) continue;
    samples_[kept++] = samples_[i];
  }
  samples_.resize(kept);
}

std::int64_t SampleTracker::on_replay(std::size_t replica, const ServerIdentity& identity, Lsn replayed) {
  auto& known = replicas_[replica];
  if (identity.system != known.identity.system || identity.started != known.identity.started)
    known = {identity, 0};
  if (identity.system != primary_.system) return known.caught_up_to = 0;
  if (identity.timeline == 0) return known.caught_up_to;
  if (identity.timeline != primary_.timeline) return known.caught_up_to = 0;
  auto beyond = std::upper_bound(samples_.begin(), samples_.end(), replayed,
                                 [](Lsn lsn, const Sample& sample) { return lsn < sample.insert; });
  if (beyond != samples_.begin()) known.caught_up_to = std::max(known.caught_up_to, std::prev(beyond)->sent);
  return known.caught_up_to;
}

}  // namespace howdah::control
