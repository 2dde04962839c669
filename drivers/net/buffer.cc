#include "drivers/net/buffer.h"

#include <cstdlib>
#include <new>
#include <vector>

namespace howdah::net {

namespace {

// Blocks of kBufferSize that this thread may reuse; bounded, so that a burst does not hold memory for ever.
struct FreeList {
  static constexpr std::size_t kMaxBlocks = 256;
  std::vector<char*> blocks;
  ~FreeList() {
    for (char* block : blocks) std::free(block);
  }
};

thread_local FreeList free_list;

char* allocate(std::size_t size) {
  if (size == kBufferSize && !free_list.blocks.empty()) {
    char* block = free_list.blocks.back();
    free_list.blocks.pop_back();
    return block;
  }
  auto* block = static_cast<char*>(std::malloc(size));
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void deallocate(char* block, std::size_t size) {
  if (size == kBufferSize && free_list.blocks.size() < FreeList::kMaxBlocks) {
    free_list.blocks.push_back(block);
  } else {
    std::free(block);
  }
}

}  // namespace

void Buffer::release() {
  if (data_ != nullptr) deallocate(data_, capacity_);
  data_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

void Buffer::make_room(std::size_t count) {
  const std::size_t used = size();
  if (data_ != nullptr && capacity_ - used >= count && begin_ >= capacity_ / 2) {
    std::memmove(data_, data_ + begin_, used);
  } else {
    std::size_t wanted = kBufferSize;
    while (wanted < used + count) wanted *= 2;
    char* grown = allocate(wanted);
    if (used > 0) std::memcpy(grown, data_ + begin_, used);
    if (data_ != nullptr) deallocate(data_, capacity_);
    data_ = grown;
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = used;
}

}  // namespace howdah::net
