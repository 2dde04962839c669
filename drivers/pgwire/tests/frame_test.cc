#include "drivers/pgwire/frame.h"

#include <gtest/gtest.h>

#include "drivers/pgwire/types.h"

namespace howdah::pgwire {
namespace {

using namespace std::string_view_literals;

TEST(Frame, CutsMessagesOffTheFrontOneByOne) {
  Bytes in = "S\0\0\0\4Q\0\0\0\6x\0Z"sv;
  Frame frame;
  ASSERT_EQ(next_frame(in, 100, frame), FrameStatus::kOk);
  EXPECT_EQ(frame.type, 'S');
  EXPECT_EQ(frame.body, "");
  in.remove_prefix(frame.whole.size());
  ASSERT_EQ(next_frame(in, 100, frame), FrameStatus::kOk);
  EXPECT_EQ(frame.type, 'Q');
  EXPECT_EQ(frame.body, "x\0"sv);
  in.remove_prefix(frame.whole.size());
  EXPECT_EQ(next_frame(in, 100, frame), FrameStatus::kNeedMore);
  EXPECT_EQ(frame.type, 'Q') << "an incomplete message must leave the result alone";
}

TEST(Frame, SeesALengthOutOfBoundsAsSoonAsTheHeaderIsThere) {
  struct Case {
    Bytes header;
    std::uint32_t max_length;
    FrameStatus status;
  };
  const Case cases[] = {
      {"Q\0\0\0\0"sv, 100, FrameStatus::kMalformed},
      {"Q\0\0\0\3"sv, 100, FrameStatus::kMalformed},
      {"Q\0\0\0\4"sv, 100, FrameStatus::kOk},
      {"Q\0\0\0\x64"sv, 100, FrameStatus::kNeedMore},
      {"Q\0\0\0\x65"sv, 100, FrameStatus::kMalformed},
      {"Q\x7f\xff\xff\xff"sv, kMaxServerLength, FrameStatus::kNeedMore},
      {"Q\x80\0\0\0"sv, kMaxServerLength, FrameStatus::kMalformed},
      {"Q\x80\0\0\0"sv, 0xffffffff, FrameStatus::kMalformed},
      {"Q\xff\xff\xff\xff"sv, 0xffffffff, FrameStatus::kMalformed},
      {"\0\0\0\0\4"sv, 100, FrameStatus::kOk},
  };
  for (const Case& c : cases) {
    Frame frame;
    EXPECT_EQ(next_frame(c.header, c.max_length, frame), c.status) << ::testing::PrintToString(c.header);
    EXPECT_EQ(next_frame(c.header.substr(0, 4), c.max_length, frame), FrameStatus::kNeedMore);
  }
}

TEST(Frame, PeeksAHeaderWithoutItsBody) {
  Header header;
  EXPECT_EQ(peek_header("D\0\0\0"sv, 1 << 20, header), FrameStatus::kNeedMore);
  ASSERT_EQ(peek_header("D\0\1\0\0"sv, 1 << 20, header), FrameStatus::kOk);
  EXPECT_EQ(header.type, 'D');
  EXPECT_EQ(header.total, 0x10001U);
  ASSERT_EQ(peek_header("D\x7f\xff\xff\xff"sv, kMaxServerLength, header), FrameStatus::kOk);
  EXPECT_EQ(header.total, 0x80000000U);
}

TEST(Frame, KnowsWhichClientMessagesExistAndHowLongTheyMayBe) {
  int known = 0;
  for (int type = 0; type < 256; ++type) known += max_frontend_length(static_cast<char>(type)) != 0;
  EXPECT_EQ(known, 14);
  EXPECT_EQ(max_frontend_length('Q'), 0x3ffffffeU);
  EXPECT_EQ(max_frontend_length('S'), 10000U);
  EXPECT_EQ(max_frontend_length('p'), 65535U);
  EXPECT_EQ(max_frontend_length('z'), 0U);
}

}  // namespace
}  // namespace howdah::pgwire
