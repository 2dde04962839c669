// Several shards' COPY TO STDOUT as one, and lines of a shard as the client counts them.
#include "sharding/copy/copy_join.h"

#include <gtest/gtest.h>

#include "sharding/copy/line_map.h"

namespace howdah::sharding {
namespace {

std::string message(char type, std::string_view body) {
  std::string out(1, type);
  const auto length = static_cast<std::uint32_t>(4 + body.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(length >> shift & 0xff));
  return out.append(body);
}
std::string copy_data(std::string_view body) { return message('d', body); }

// A shard's whole answer, byte by byte.
std::string answer(std::initializer_list<std::string> parts, int rows) {
  std::string out = message('H', std::string("\0\0\1\0\0", 5));
  for (const auto& part : parts) out += copy_data(part);
  return out + message('c', "") + message('C', "COPY " + std::to_string(rows) + '\0');
}

std::string join(const CopyFormat& format, std::initializer_list<std::string> answers) {
  CopyJoin join(format);
  std::string out;
  for (const std::string& whole : answers) {
    join.begin();
    std::string stream;
    auto step = ReplyJoin::Step::kWait;
    for (const char c : whole) {
      stream.push_back(c);
      step = join.run(stream, out, 1 << 20);
    }
    EXPECT_EQ(step, ReplyJoin::Step::kDone);
  }
  join.finish(out);
  return out + join.tag();
}

const std::string kBegin = message('H', std::string("\0\0\1\0\0", 5));
const std::string kEnd = message('c', "");

TEST(CopyJoin, PutsRowsOneAfterTheOther) {
  EXPECT_EQ(join({}, {answer({"1\n", "2\n"}, 2), answer({}, 0), answer({"3\n"}, 1)}), kBegin + copy_data("1\n") + copy_data("2\n") + copy_data("3\n") + kEnd + "COPY 3");
}

TEST(CopyJoin, GivesOneHeader) {
  const CopyFormat format{.kind = CopyKind::kCsv, .header = true};
  EXPECT_EQ(join(format, {answer({"id\n"}, 0), answer({"id\n", "3\n"}, 1)}), kBegin + copy_data("id\n") + copy_data("3\n") + kEnd + "COPY 1");
}

TEST(CopyJoin, GivesOneBinaryHeaderAndTrailer) {
  const CopyFormat format{.kind = CopyKind::kBinary};
  const std::string header("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19), row("\0\1\0\0\0\1x", 7), end("\377\377");
  EXPECT_EQ(join(format, {answer({header + end}, 0), answer({header + row, row, end}, 2), answer({header + row, end}, 1)}),
            kBegin + copy_data(header) + copy_data(row) + copy_data(row) + copy_data(row) + copy_data(end) + kEnd + "COPY 3");
  EXPECT_EQ(join(format, {answer({header + row, end}, 1), answer({header + end}, 0)}), kBegin + copy_data(header) + copy_data(row) + copy_data(end) + kEnd + "COPY 1");
}

TEST(LineMap, FindsTheClientsLine) {
  LineMap map;
  map.add(1, 1);     // a header
  map.add(200, 1);
  map.add(205, 3);   // lines 203 to 205
  EXPECT_EQ(map.client_line(1), 1u);
  EXPECT_EQ(map.client_line(2), 200u);
  EXPECT_EQ(map.client_line(3), 203u);
  EXPECT_EQ(map.client_line(5), 205u);
  EXPECT_EQ(map.client_line(6), std::nullopt);
  EXPECT_EQ(with_client_line("COPY users, line 2, column id: \"x\"", map), "COPY users, line 200, column id: \"x\"");
  EXPECT_EQ(with_client_line("SQL function \"f\"\nCOPY users, line 2", map), "SQL function \"f\"\nCOPY users, line 200");
  EXPECT_EQ(with_client_line("COPY users, line 9: \"x\"", map), "COPY users: \"x\"");
  EXPECT_EQ(with_client_line("SQL statement", map), "SQL statement");
}

TEST(LineMap, GivesUpOnVeryManyRows) {
  LineMap map;
  for (std::uint64_t line = 1; line < (3u << 20); ++line) map.add(line, 1);
  EXPECT_EQ(map.client_line(5), std::nullopt);
}

}  // namespace
}  // namespace howdah::sharding
