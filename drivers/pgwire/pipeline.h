// A server connection as a pipeline: the FIFO of replies that the server still owes, each with its owner.
//
//   sent:   Parse Bind Execute Sync | Query | ...          one Owed per message that gets an answer
//   comes:  1     2    C       Z    | T D* C Z             which pops it and says whose it is
//
// After an error in the extended protocol the server skips to the next Sync, so everything owed before that Sync is
// never answered: the machine pops it as skipped. https://www.postgresql.org/docs/15/protocol-flow.html
#pragma once

#include <cstdint>
#include <vector>

#include "drivers/pgwire/types.h"

namespace howdah::pgwire {

enum class OwedKind : std::uint8_t {
  kParse,              // 1
  kBind,               // 2
  kDescribeStatement,  // t, then T or n
  kDescribePortal,     // T or n
  kExecute,            // C, I or s; G, H and their data before
  kClose,              // 3
  kSync,               // Z
  kQuery,              // anything, then Z
  kFunctionCall,       // V, then Z
  kResync,             // Z for each Sync of unknown fate, then I and Z of an empty Query
  kFabricated,         // nothing comes from the server: a reply of the proxy's that has its place in the order
};

// One reply owed. `Owner` is opaque here: the shell's sessions and its own injected work.
template <class Owner>
struct Owed {
  OwedKind kind = OwedKind::kQuery;
  bool forward = true;        // hand the reply's messages to the owner's client
  bool forward_error = true;  // hand an ErrorResponse to the client even when other messages are not
  bool forward_ready = true;  // hand on ReadyForQuery, too (only with `forward`)
  bool forward_status = false;  // hand on ParameterStatus even without `forward`
  char fabricated = 0;        // kFabricated: type of the five-byte message to hand out
  bool typed = false;         // kExecute: the message before asked for the description of its rows
  std::uint16_t effect = 0;   // the owner's own note, handed back with the completion
  std::uint64_t described = 0;  // kDescribePortal: a statement of which the answer tells, by the owner's number
  Owner owner{};
};

// What a backend message means for the FIFO.
enum class Verdict : std::uint8_t {
  kContinues,   // belongs to the head, which goes on
  kCompletes,   // belongs to the head and ends it: pop()
  kError,       // an ErrorResponse for the head; the caller pops with fail() when the head is of the extended protocol
  kReady,       // ReadyForQuery: ends the head
  kAsync,       // Notice, ParameterStatus or Notification: may come at any time
  kStray,       // ReadyForQuery of a Sync before the head's own answer, or (EmptyQueryResponse) the last of them came
  kUnexpected,  // nothing is owed that this could answer: the connection has lost its place
};

template <class Owner>
class Pipeline {
 public:
  using Entry = Owed<Owner>;

  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  const Entry& head() const { return ring_[first_]; }
  Entry& head() { return ring_[first_]; }

  void push(const Entry& entry) {
    if (count_ == ring_.size()) grow();
    ring_[(first_ + count_) & (ring_.size() - 1)] = entry;
    ++count_;
  }
  void pop() {
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
  }

  // REQUIRES: the head, if any, is not kFabricated (the caller hands those out first).
  Verdict classify(char type) const {
    switch (type) {
      case be::kNoticeResponse:
      case be::kParameterStatus:
      case be::kNotificationResponse:
        return Verdict::kAsync;
      case be::kErrorResponse:
        return empty() ? Verdict::kUnexpected : Verdict::kError;
      default:
        break;
    }
    if (empty()) return Verdict::kUnexpected;
    const OwedKind kind = head().kind;
    if (type == be::kReadyForQuery) {
      const bool ends = kind == OwedKind::kQuery || kind == OwedKind::kSync || kind == OwedKind::kFunctionCall;
      return ends ? Verdict::kReady : kind == OwedKind::kResync ? Verdict::kStray : Verdict::kUnexpected;
    }
    switch (kind) {
      case OwedKind::kQuery:
        return Verdict::kContinues;
      case OwedKind::kFunctionCall:
        return type == be::kFunctionCallResponse ? Verdict::kContinues : Verdict::kUnexpected;
      case OwedKind::kParse:
        return completes(type == be::kParseComplete);
      case OwedKind::kBind:
        return completes(type == be::kBindComplete);
      case OwedKind::kClose:
        return completes(type == be::kCloseComplete);
      case OwedKind::kDescribeStatement:
        if (type == be::kParameterDescription) return Verdict::kContinues;
        return completes(type == be::kRowDescription || type == be::kNoData);
      case OwedKind::kDescribePortal:
        return completes(type == be::kRowDescription || type == be::kNoData);
      case OwedKind::kExecute:
        switch (type) {
          case be::kCommandComplete:
          case be::kEmptyQueryResponse:
          case be::kPortalSuspended:
            return Verdict::kCompletes;
          case be::kDataRow:
          case be::kCopyInResponse:
          case be::kCopyOutResponse:
          case be::kCopyBothResponse:
          case be::kCopyData:
          case be::kCopyDone:
          case be::kRowDescription:
            return Verdict::kContinues;
          default:
            return Verdict::kUnexpected;
        }
      case OwedKind::kResync:
        return type == be::kEmptyQueryResponse ? Verdict::kStray : Verdict::kUnexpected;
      case OwedKind::kSync:
      case OwedKind::kFabricated:
        return Verdict::kUnexpected;
    }
    return Verdict::kUnexpected;
  }

  // After kError: pops everything that the server will skip, the failed head included, and calls skipped(entry, failed)
  // for each, last to first, so that what was noted when they were sent is undone in turn; `failed` is true for the head.
  // Stops before the Sync that ends the skipping. A failed Query, FunctionCall or Sync stays: its ReadyForQuery is still
  // to come.
  template <class Skipped>
  void fail(Skipped skipped) {
    const OwedKind kind = head().kind;
    if (kind == OwedKind::kQuery || kind == OwedKind::kFunctionCall || kind == OwedKind::kSync || kind == OwedKind::kResync) return;
    std::size_t count = 0;
    while (count < count_ && at(count).kind != OwedKind::kSync) ++count;
    for (std::size_t i = count; i-- > 0;) {
      const Entry entry = at(i);
      skipped(entry, i == 0);
    }
    first_ = (first_ + count) & (ring_.size() - 1);
    count_ -= count;
  }

  // Visits every entry, first to last; the visitor may change it.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::size_t i = 0; i < count_; ++i) visit(ring_[(first_ + i) & (ring_.size() - 1)]);
  }
  void clear() { first_ = count_ = 0; }

 private:
  const Entry& at(std::size_t i) const { return ring_[(first_ + i) & (ring_.size() - 1)]; }
  static Verdict completes(bool expected) { return expected ? Verdict::kCompletes : Verdict::kUnexpected; }
  void grow() {
    std::vector<Entry> larger(ring_.empty() ? 8 : ring_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_ = std::move(larger);
    first_ = 0;
  }

  std::vector<Entry> ring_;  // size a power of two
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace howdah::pgwire
