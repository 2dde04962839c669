// Which server of a shard is its primary, from what each of them says: the pure half of failover.
//
//   primary TL 1 --X                     the highest timeline ever seen decides
//   replica ------------ promoted TL 2   acting from here on
//   old primary back, TL 1               stale: it gets no statement, whatever it says
// https://www.postgresql.org/docs/15/continuous-archiving.html#BACKUP-TIMELINES
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace howdah::control {

// What one server of the shard said last.
struct ServerWord {
  bool answers = false;          // to its last probe
  bool in_recovery = false;      // of a server that answers
  std::uint64_t system = 0;      // 0: it never answered
  std::uint32_t timeline = 0;    // a primary's own; the newest that a standby knows of
  bool vetoed = false;           // who manages failover says that it is not the primary
};

enum class Standing : std::uint8_t {
  kUnknown,   // never answered
  kActing,    // the primary
  kReplica,   // in recovery
  kStale,     // claims to be a primary, of a lower timeline
  kRival,     // claims to be a primary, of the acting primary's timeline
  kForeign,   // another cluster's
  kVetoed,    // claims to be a primary, against the word of who manages failover
};

inline const char* word_of(Standing standing) {
  switch (standing) {
    case Standing::kUnknown: return "unknown";
    case Standing::kActing: return "primary";
    case Standing::kReplica: return "replica";
    case Standing::kStale: return "stale";
    case Standing::kRival: return "rival";
    case Standing::kForeign: return "foreign";
    case Standing::kVetoed: return "vetoed";
  }
  return "";
}

// One per shard; owned by the control thread. Positions: the configured primary is 0, its replicas follow.
class RoleKeeper {
 public:
  explicit RoleKeeper(std::size_t servers) : words_(servers) {}

  ServerWord& word(std::size_t position) { return words_[position]; }
  // Looks at all words anew. Never goes back to a lower timeline, whoever is down.
  void decide();

  std::size_t acting() const { return acting_; }
  std::uint32_t timeline() const { return timeline_; }
  // The acting primary answers, and nobody else claims to be it.
  bool writable() const { return writable_; }
  bool disputed() const { return disputed_; }
  // It still takes itself for the primary, but is none: a later timeline has begun, or Patroni says so.
  bool revoked() const { return !writable_ && !disputed_ && words_[acting_].answers && !words_[acting_].in_recovery; }
  // Why it is not writable.
  const std::string& reason() const { return reason_; }
  Standing standing(std::size_t position) const;
  // The highest timeline of this shard that anybody has told of.
  std::uint32_t highest() const { return highest_; }

 private:
  bool ours(const ServerWord& word) const { return word.system != 0 && word.system == system_; }
  bool claims(std::size_t position) const;
  void choose_system();
  void close(std::string reason) {
    writable_ = false;
    reason_ = std::move(reason);
  }
  void explain_absence();

  std::vector<ServerWord> words_;
  std::uint64_t system_ = 0;
  std::uint32_t highest_ = 0;
  std::uint32_t timeline_ = 0;  // of the acting primary; 0: none has been seen
  std::size_t acting_ = 0;
  bool writable_ = false;
  bool disputed_ = false;
  std::string reason_ = "no server of the shard has answered yet";
};

}  // namespace howdah::control
