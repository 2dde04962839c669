#include "proxy/core/task.h"

#include <cstdlib>
#include <new>

namespace howdah::proxy {

namespace {

constexpr std::size_t kGranularity = 128;
constexpr std::size_t kClasses = 32;    // frames up to 4 KiB are recycled
constexpr std::size_t kMaxFree = 1024;  // per class

struct Free {
  Free* next;
};

struct FreeLists {
  Free* heads[kClasses] = {};
  std::size_t counts[kClasses] = {};
  ~FreeLists() {
    for (Free* head : heads) {
      while (head != nullptr) std::free(std::exchange(head, head->next));
    }
  }
};

thread_local FreeLists lists;

std::size_t class_of(std::size_t size) { return (size + kGranularity - 1) / kGranularity - 1; }

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t at = class_of(size);
  if (at < kClasses && lists.heads[at] != nullptr) {
    Free* frame = lists.heads[at];
    lists.heads[at] = frame->next;
    --lists.counts[at];
    return frame;
  }
  void* frame = std::malloc(at < kClasses ? (at + 1) * kGranularity : size);
  if (frame == nullptr) throw std::bad_alloc();
  return frame;
}

void free_frame(void* frame, std::size_t size) {
  const std::size_t at = class_of(size);
  if (at < kClasses && lists.counts[at] < kMaxFree) {
    auto* free_entry = static_cast<Free*>(frame);
    free_entry->next = lists.heads[at];
    lists.heads[at] = free_entry;
    ++lists.counts[at];
  } else {
    std::free(frame);
  }
}

}  // namespace howdah::proxy
