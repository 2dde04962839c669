// Several shards' answers to one write become one.
#include "sharding/write/write_reply.h"

#include <gtest/gtest.h>

#include "drivers/pgwire/backend.h"

namespace howdah::sharding {
namespace {

using Step = WriteReply::Step;

std::string message(char type, std::string_view body) {
  std::string out(1, type);
  const auto length = static_cast<std::uint32_t>(4 + body.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(length >> shift & 0xff));
  return out.append(body);
}
std::string row(std::string_view text) { return message('D', std::string("\0\1\0\0\0", 5) + static_cast<char>(text.size()) + std::string(text)); }
std::string tag(const std::string& text) { return message('C', text + '\0'); }
std::string columns(int type) {
  return message('T', std::string("\0\1n\0\0\0\0\0\0\0\0\0", 12) + static_cast<char>(type >> 8) + static_cast<char>(type) +
                          std::string("\0\4\377\377\377\377\0\0", 8));
}

std::string take(WriteReply& reply, std::string stream, Step expected = Step::kDone) {
  std::string out;
  EXPECT_EQ(reply.run(stream, out, 1 << 20), expected);
  return out;
}

TEST(WriteReply, SumsTagsAndSaysTheRestOnce) {
  WriteReply reply({});
  reply.begin();
  EXPECT_EQ(take(reply, message('2', "") + message('n', "") + tag("UPDATE 2")), message('2', "") + message('n', ""));
  reply.begin();
  EXPECT_EQ(take(reply, message('2', "") + message('n', "") + tag("UPDATE 40")), "");
  EXPECT_EQ(reply.tag(), "UPDATE 42");
}

TEST(WriteReply, StreamsRowsShardByShard) {
  WriteReply reply({});
  reply.begin();
  EXPECT_EQ(take(reply, columns(23) + row("a") + tag("DELETE 1")), columns(23) + row("a"));
  reply.begin();
  EXPECT_EQ(take(reply, columns(23) + row("b") + message('N', "x") + tag("DELETE 1")), row("b") + message('N', "x"));
}

TEST(WriteReply, TakesMessagesInPieces) {
  const std::string whole = columns(23) + row("a") + tag("DELETE 1");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    WriteReply reply({});
    reply.begin();
    std::string stream = whole.substr(0, cut), out;
    EXPECT_EQ(reply.run(stream, out, 1 << 20), Step::kWait);
    stream += whole.substr(cut);
    EXPECT_EQ(reply.run(stream, out, 1 << 20), Step::kDone);
    EXPECT_EQ(out, columns(23) + row("a"));
    EXPECT_EQ(stream, "");
  }
}

TEST(WriteReply, PutsRowsBackIntoTheOrderOfValues) {
  WriteReply reply({.describe = true, .in_order = true});
  reply.begin({1, 3});
  EXPECT_EQ(take(reply, columns(23) + row("b") + row("d") + tag("INSERT 0 2")), columns(23));
  reply.begin({0, 2});
  EXPECT_EQ(take(reply, columns(23) + row("a") + row("c") + tag("INSERT 0 2")), "");
  std::string out;
  reply.give_rows(out);
  EXPECT_EQ(out, row("a") + row("b") + row("c") + row("d"));
  EXPECT_EQ(reply.tag(), "INSERT 0 4");
}

TEST(WriteReply, KeepsTheShardsOrderWhereRowsAreMissing) {
  WriteReply reply({.describe = true, .in_order = true});
  reply.begin({1, 3});
  take(reply, columns(23) + row("d") + tag("INSERT 0 1"));
  reply.begin({0, 2});
  take(reply, columns(23) + row("a") + row("c") + tag("INSERT 0 2"));
  std::string out;
  reply.give_rows(out);
  EXPECT_EQ(out, row("d") + row("a") + row("c"));
}

TEST(WriteReply, RefusesTypesThatDifferBetweenShards) {
  WriteReply reply({});
  reply.begin();
  take(reply, columns(23) + tag("DELETE 0"));
  reply.begin();
  take(reply, columns(25) + tag("DELETE 0"), Step::kFailed);
  EXPECT_EQ(reply.error().code, ErrorCode::kUnsupported);
}

TEST(WriteReply, StopsAtAnError) {
  WriteReply reply({});
  reply.begin();
  EXPECT_EQ(take(reply, row("a") + message('E', "") + row("b"), Step::kFailed), row("a"));
  EXPECT_EQ(reply.error().message, "");
}

}  // namespace
}  // namespace howdah::sharding
