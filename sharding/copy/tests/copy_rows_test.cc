// COPY data cut into rows, as PostgreSQL reads it, in pieces of any size.
#include "sharding/copy/copy_rows.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

// Each row as "bytes=key", "bytes?" without a key, "bytes*" for all shards; then the fault, if any.
std::vector<std::string> rows(const CopyFormat& format, std::string_view data, std::size_t piece) {
  CopyRows copy(format);
  std::vector<std::string> out;
  CopyRow row;
  const auto take = [&] {
    while (copy.next(row)) {
      std::string text(row.bytes);
      text += row.ending;
      text += row.kind == CopyRow::Kind::kForAll ? "*" : !row.has_key ? "?" : row.key_is_null ? "=NULL" : "=" + std::string(row.key);
      if (row.names_the_present) text += "!";
      out.push_back(text);
    }
  };
  for (std::size_t at = 0; at < data.size(); at += piece) {
    copy.feed(data.substr(at, piece));
    take();
  }
  copy.finish();
  take();
  if (copy.fault() != nullptr) out.push_back("22P04 " + copy.fault()->message);
  return out;
}

void expect(const CopyFormat& format, std::string_view data, const std::vector<std::string>& expected) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1000}}) EXPECT_EQ(rows(format, data, piece), expected) << data << " by " << piece;
}

CopyFormat text(std::size_t key = 0) {
  CopyFormat format;
  format.key = key;
  return format;
}
CopyFormat csv(std::size_t key = 0) {
  CopyFormat format{.kind = CopyKind::kCsv, .delimiter = ',', .null = ""};
  format.key = key;
  return format;
}

TEST(CopyText, CutsLinesAndDecodesTheKey) {
  expect(text(), "1\ta\n2\tb\n", {"1\ta\n=1", "2\tb\n=2"});
  expect(text(1), "a\t1\r\nb\t2\r\n", {"a\t1\r\n=1", "b\t2\r\n=2"});
  expect(text(), "1\r2\r", {"1\r=1", "2\r=2"});
  expect(text(), "1\n2", {"1\n=1", "2=2"});
  expect(text(), "", {});
  expect(text(), "\n", {"\n="});
}

TEST(CopyText, UndoesEscapes) {
  expect(text(), "a\\tb\\\\c\\n\tx\n", {"a\\tb\\\\c\\n\tx\n=a\tb\\c\n"});
  expect(text(), "\\101\\x42\\x4\\7\\xg\\q\n", {"\\101\\x42\\x4\\7\\xg\\q\n=AB\4\7xgq"});
  expect(text(), "a\\\nb\tx\n", {"a\\\nb\tx\n=a\nb"});
  expect(text(1), "a\\\tb\tc\n", {"a\\\tb\tc\n=c"});
  expect(text(), "\\N\n\\\\N\n", {"\\N\n=NULL", "\\\\N\n=\\N"});
}

TEST(CopyText, EndsAtTheMarker) {
  expect(text(), "1\n\\.\n2\n", {"1\n=1"});
  expect(text(), "1\r\n\\.\r\n2\n", {"1\r\n=1"});
  expect(text(), "1\n2\\.\n3\n", {"1\n=1", "2\n=2"});
  expect(text(), "1\n\\.x\n", {"1\n=1", "22P04 end-of-copy marker corrupt"});
  expect(text(), "1\n\\.", {"1\n=1", "22P04 end-of-copy marker corrupt"});
  expect(text(), "1\n\\.\r", {"1\n=1", "22P04 end-of-copy marker does not match previous newline style"});
  expect(text(), "1\r\n\\.\n", {"1\r\n=1", "22P04 end-of-copy marker does not match previous newline style"});
}

TEST(CopyText, KeepsToOneLineEnd) {
  expect(text(), "1\n2\r\n", {"1\n=1", "22P04 literal carriage return found in data"});
  expect(text(), "1\r\n2\n", {"1\r\n=1", "22P04 literal newline found in data"});
  expect(text(), "1\r\n2\r3", {"1\r\n=1", "22P04 literal carriage return found in data"});
}

TEST(CopyText, GivesTooShortRowsWithoutAKey) {
  expect(text(1), "1\n2\t\n", {"1\n?", "2\t\n="});
}

TEST(CopyText, TakesOtherDelimitersAndNulls) {
  CopyFormat format = text(1);
  format.delimiter = '|';
  format.null = "nil";
  expect(format, "a|nil\nb\\||c\n", {"a|nil\n=NULL", "b\\||c\n=c"});
}

TEST(CopyCsv, ReadsQuotes) {
  expect(csv(), "1,a\n\"2\",b\n", {"1,a\n=1", "\"2\",b\n=2"});
  expect(csv(1), "\"a,b\",c\n", {"\"a,b\",c\n=c"});
  expect(csv(), "\"a\"\"b\"c\"d\",\n", {"\"a\"\"b\"c\"d\",\n=a\"bcd"});
  expect(csv(1), "\"a\nb\",c\r\n1,2\r\n", {"\"a\nb\",c\r\n=c", "1,2\r\n=2"});
  expect(csv(), ",x\n\"\",x\n", {",x\n=NULL", "\"\",x\n="});
  expect(csv(), "\"open,x\n1\n", {"\"open,x\n1\n?"});
  expect(csv(), "a\\b,x\n\\.x\n\\.\n2\n", {"a\\b,x\n=a\\b", "\\.x\n=\\.x"});
  expect(csv(), "\"1\n\\.\n\",x\n", {"\"1\n\\.\n\",x\n=1\n\\.\n"});
}

TEST(CopyCsv, TakesOtherQuotesAndEscapes) {
  CopyFormat format = csv();
  format.quote = '\'';
  format.escape = '\\';
  expect(format, "'a\\'b\\\\',x\n", {"'a\\'b\\\\',x\n=a'b\\"});
  expect(format, "'a\\\\\nb',x\n2,y\n", {"'a\\\\\nb',x\n=a\\\nb", "2,y\n=2"});
}

TEST(CopyCsv, GivesTheHeaderToAll) {
  CopyFormat format = csv();
  format.header = true;
  expect(format, "id,\"na\nme\"\n1,a\n", {"id,\"na\nme\"\n*", "1,a\n=1"});
}

TEST(CopyCsv, KeepsToOneLineEnd) {
  expect(csv(), "1\n2\r\n", {"1\n=1", "22P04 unquoted carriage return found in data"});
  expect(csv(), "1\r\n2\n", {"1\r\n=1", "22P04 unquoted newline found in data"});
}

TEST(CopyText, FindsTimesOfTheServersClock) {
  CopyFormat format = text();
  format.clocks = {2};
  expect(format, "1\tnow\tnow\n2\tnow\t2024-01-01\n3\tx\t\\N\n4\tx\t\\156ow\n",
         {"1\tnow\tnow\n=1!", "2\tnow\t2024-01-01\n=2", "3\tx\t\\N\n=3", "4\tx\t\\156ow\n=4!"});
}

TEST(CopyText, CountsLines) {
  CopyRows copy(csv());
  copy.feed("1,a\n\"2\n\n\",b\n3,c\n");
  CopyRow row;
  std::vector<std::uint64_t> ends, sizes;
  while (copy.next(row)) {
    ends.push_back(row.line);
    sizes.push_back(row.lines);
  }
  EXPECT_EQ(ends, (std::vector<std::uint64_t>{1, 4, 5}));
  EXPECT_EQ(sizes, (std::vector<std::uint64_t>{1, 3, 1}));
}

const std::string kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
std::string field(std::string_view bytes) { return std::string("\0\0\0", 3) + static_cast<char>(bytes.size()) + std::string(bytes); }

TEST(CopyBinary, CutsRows) {
  CopyFormat format{.kind = CopyKind::kBinary};
  format.key = 1;
  const std::string one = std::string("\0\2", 2) + field("a") + field("key1");
  const std::string two = std::string("\0\2", 2) + field("bb") + std::string("\xff\xff\xff\xff", 4);
  const std::string three = std::string("\0\1", 2) + field("c");
  expect(format, kHeader + one + two + three + "\xff\xff",
         {kHeader + "*", one + "=key1", two + "=NULL", three + "?", "\xff\xff*"});
  expect(format, kHeader + one + "\xff\xffx", {kHeader + "*", one + "=key1", "\xff\xff*", "22P04 received copy data after EOF marker"});
}

TEST(CopyBinary, LeavesNonsenseToAServer) {
  CopyFormat format{.kind = CopyKind::kBinary};
  format.key = 0;
  EXPECT_EQ(rows(format, "no signature at all", 100), std::vector<std::string>{"no signature at all*"});
  EXPECT_EQ(rows(format, kHeader.substr(0, 12), 100), std::vector<std::string>{kHeader.substr(0, 12) + "*"});
  const std::string half = std::string("\0\1\0\0\0\4ab", 8), wrong("\0\1\xff\xff\xff\xfe" "abc", 9);
  expect(format, kHeader + half, {kHeader + "*", half + "?"});
  EXPECT_EQ(rows(format, kHeader + wrong, 100), (std::vector<std::string>{kHeader + "*", wrong + "?"}));
}

}  // namespace
}  // namespace howdah::sharding
