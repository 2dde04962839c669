// What every message test does with each row of its table.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/pgwire/frame.h"

namespace howdah::pgwire::testing {

using namespace std::string_literals;
using namespace std::string_view_literals;

struct MessageCase {
  const char* name;
  Bytes bytes;                   // the whole message, written by hand from the manual
  void (*encode)(std::string&);  // must produce `bytes`; null for what we never send
  bool (*decode)(Bytes body);    // decodes, and on success compares every field
  bool open_end = false;         // the last field takes whatever is left, so more bytes are more of it
  std::size_t needed = 0;        // open_end: the smallest body
};

// Each test gets its own exactly sized heap block, so that ASan sees a read of one byte too many.
inline bool decode_copy(const MessageCase& row, Bytes body) {
  const std::vector<char> copy(body.begin(), body.end());
  return row.decode(Bytes(copy.data(), copy.size()));
}

inline void expect_frames_one_byte_at_a_time(Bytes bytes) {
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<char> copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    Frame frame;
    const FrameStatus status = next_frame(Bytes(copy.data(), copy.size()), 0x7fffffff, frame);
    ASSERT_EQ(status, size < bytes.size() ? FrameStatus::kNeedMore : FrameStatus::kOk) << "at size " << size;
    if (status != FrameStatus::kOk) continue;
    EXPECT_EQ(frame.type, bytes.front());
    EXPECT_EQ(frame.whole, bytes);
    EXPECT_EQ(frame.body, bytes.substr(kHeaderSize));
  }
}

inline void expect_table_holds(std::span<const MessageCase> table) {
  for (const MessageCase& row : table) {
    SCOPED_TRACE(row.name);
    if (row.encode != nullptr) {
      std::string encoded = "before";
      row.encode(encoded);
      EXPECT_EQ(encoded, "before" + std::string(row.bytes));
    }
    expect_frames_one_byte_at_a_time(row.bytes);
    const Bytes body = row.bytes.substr(kHeaderSize);
    EXPECT_TRUE(decode_copy(row, body));
    for (std::size_t size = 0; size < (row.open_end ? row.needed : body.size()); ++size) {
      EXPECT_FALSE(decode_copy(row, body.substr(0, size))) << "truncated to " << size;
    }
    if (!row.open_end) EXPECT_FALSE(decode_copy(row, std::string(body) + '\0')) << "one byte too many";
  }
}

}  // namespace howdah::pgwire::testing
