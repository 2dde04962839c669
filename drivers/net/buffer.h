// Byte buffers for the data path: pooled per thread, so that a wake-up allocates nothing and an idle client holds none.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace howdah::net {

inline constexpr std::size_t kBufferSize = 16 * 1024;

// A growable queue of bytes: append at the end, consume at the front. Blocks of kBufferSize come from and go back to a
// free list of the thread; larger ones from the heap. An empty Buffer owns no memory after release().
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      release();
      swap(other);
    }
    return *this;
  }
  ~Buffer() { release(); }

  Bytes view() const { return {data_ + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  void append(Bytes bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  // At least `count` writable bytes at the end; commit() says how many were filled.
  char* reserve(std::size_t count) {
    if (capacity_ - end_ < count) make_room(count);
    return data_ + end_;
  }
  std::size_t writable() const { return capacity_ - end_; }
  void commit(std::size_t count) { end_ += count; }
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // How much of what was consumed last is still there, as it was; and takes `count` bytes of that back.
  std::size_t consumed() const { return begin_; }
  void rewind(std::size_t count) { begin_ -= count; }
  // Forgets what stands behind the first `size` bytes.
  void truncate(std::size_t size) { end_ = begin_ + size; }
  void clear() { begin_ = end_ = 0; }
  // Gives the memory back; the content is lost.
  void release();
  bool holds_memory() const { return data_ != nullptr; }

  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
  }

 private:
  void make_room(std::size_t count);

  char* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace howdah::net
