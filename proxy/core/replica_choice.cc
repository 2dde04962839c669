#include "proxy/core/replica_choice.h"

#include <algorithm>

namespace howdah::proxy {

namespace {

// Of two that are alike, the client stays where it is.
constexpr double kAdvantageOfLast = 0.5;  // of a statement

}  // namespace

ServerId ReplicaChoice::pick(config::Balance balance) {
  ++turn_;
  if (candidates_.size() > 1) drop_the_far();
  if (candidates_.size() == 1) return candidates_.front().server;
  switch (balance) {
    case config::Balance::kLeastOutstanding:
      return least_outstanding().server;
    case config::Balance::kRoundRobin:
      return in_turn().server;
    case config::Balance::kWeighted:
      return by_weight().server;
    case config::Balance::kFastest:
      return faster_of_two().server;
  }
  return candidates_.front().server;
}

// Leaves those of the own zone if there are any, and of these those with a weight if there are any.
void ReplicaChoice::drop_the_far() {
  const auto keep = [this](auto wanted) {
    if (std::any_of(candidates_.begin(), candidates_.end(), wanted)) std::erase_if(candidates_, [&](const Candidate& one) { return !wanted(one); });
  };
  keep([](const Candidate& one) { return one.weight > 0; });
  keep([](const Candidate& one) { return one.near; });
}

// xorshift64: https://www.jstatsoft.org/article/view/v008i14
double ReplicaChoice::random() {
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<double>(random_state_ >> 11) * 0x1p-53;
}

const ReplicaChoice::Candidate& ReplicaChoice::least_outstanding() {
  const auto load = [this](const Candidate& one) {
    const double busy = one.outstanding + 1 - (one.last ? kAdvantageOfLast : 0);
    return busy / std::max(share(one), 1e-3);
  };
  // From another one each time: those that are alike take turns.
  const Candidate* best = nullptr;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& one = candidates_[(turn_ + i) % candidates_.size()];
    if (best == nullptr || load(one) < load(*best)) best = &one;
  }
  return *best;
}

// One that has just come back is passed over now and then.
const ReplicaChoice::Candidate& ReplicaChoice::in_turn() {
  for (std::size_t i = 0; i + 1 < candidates_.size(); ++i) {
    const Candidate& one = candidates_[(turn_ + i) % candidates_.size()];
    if (one.warmth >= 1 || random() < one.warmth) return one;
  }
  return candidates_[(turn_ + candidates_.size() - 1) % candidates_.size()];
}

const ReplicaChoice::Candidate& ReplicaChoice::by_weight() {
  double all = 0;
  for (const Candidate& one : candidates_) all += share(one);
  if (all <= 0) return in_turn();
  double at = random() * all;
  for (const Candidate& one : candidates_) {
    at -= share(one);
    if (at < 0) return one;
  }
  return candidates_.back();
}

// Two are drawn by weight, and the sooner one would answer the likelier it is taken: good choices without all clients' making the
// same one, and the slower one is tried again and again.
// https://www.eecs.harvard.edu/~michaelm/postscripts/handbook2001.pdf
const ReplicaChoice::Candidate& ReplicaChoice::faster_of_two() {
  const Candidate* first = &by_weight();
  const Candidate* second = &by_weight();
  for (int i = 0; i < 3 && second == first; ++i) second = &by_weight();
  const auto wait = [](const Candidate& one) { return (one.outstanding + 1.0) * std::max<std::uint32_t>(one.latency_us, 1); };
  return random() * (wait(*first) + wait(*second)) < wait(*second) ? *first : *second;
}

}  // namespace howdah::proxy
