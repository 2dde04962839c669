// Values as PostgreSQL's input functions read them. key_value_pgtest.cc asks a server the same questions.
#include "sharding/key_value.h"

#include <gtest/gtest.h>

#include <limits>

#include "sharding/array_value.h"
#include "sharding/hash.h"

namespace howdah::sharding {
namespace {

TEST(KeyValue, ReadsIntegers) {
  const std::pair<const char*, std::optional<std::int64_t>> cases[] = {
      {"7", 7},
      {" 7 ", 7},
      {"\t\n7\v\f\r", 7},
      {"+007", 7},
      {"-0", 0},
      {"-7", -7},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"9223372036854775808", {}},
      {"-9223372036854775809", {}},
      {"", {}},
      {" ", {}},
      {"-", {}},
      {"+ 7", {}},
      {"7 7", {}},
      {"7.0", {}},
      {"1e3", {}},
      {"0x7", {}},
      {"1_000", {}},
      {"7a", {}},
  };
  for (const auto& [text, value] : cases) EXPECT_EQ(read_integer(text), value) << text;
}

TEST(KeyValue, ReadsUuids) {
  const std::array<std::uint8_t, 16> expected = {0x0d, 0x9f, 0x9f, 0x60, 0, 0, 0x40, 0,
                                                 0x80, 0,    0,    0,    0, 0, 0,    1};
  for (const char* text :
       {"0d9f9f60-0000-4000-8000-000000000001", "0D9F9F60-0000-4000-8000-000000000001",
        "0d9f9f60000040008000000000000001", "{0d9f9f60-0000-4000-8000-000000000001}",
        "0d9f-9f60-0000-4000-8000-0000-0000-0001", "{0d9f9f600000-40008000000000000001}"}) {
    EXPECT_EQ(read_uuid(text), expected) << text;
  }
  for (const char* text :
       {"", "0d9f9f60", "0d9f9f60-0000-4000-8000-00000000000g", " 0d9f9f60-0000-4000-8000-000000000001",
        "{0d9f9f60-0000-4000-8000-000000000001", "0d9f9f60-0000-4000-8000-000000000001}",
        "0d-9f9f60-0000-4000-8000-000000000001", "0d9f9f60-0000-4000-8000-0000000000012",
        "0d9f9f60--0000-4000-8000-000000000001", "0d9f9f60-0000-4000-8000-000000000001-"}) {
    EXPECT_FALSE(read_uuid(text)) << text;
  }
}

TEST(KeyValue, ReadsIntegralNumerics) {
  struct Case {
    const char* text;
    KeyOutcome outcome;
    std::int64_t value = 0;
  };
  for (const auto& c : {
           Case{"5", KeyOutcome::kKey, 5},
           Case{"5.000", KeyOutcome::kKey, 5},
           Case{" -5. ", KeyOutcome::kKey, -5},
           Case{"50e-1", KeyOutcome::kKey, 5},
           Case{"0.5e1", KeyOutcome::kKey, 5},
           Case{"5E+3", KeyOutcome::kKey, 5000},
           Case{"0.000", KeyOutcome::kKey, 0},
           Case{"0e99", KeyOutcome::kKey, 0},
           Case{"-.0", KeyOutcome::kKey, 0},
           Case{"9223372036854775807", KeyOutcome::kKey, std::numeric_limits<std::int64_t>::max()},
           Case{"-9223372036854775808", KeyOutcome::kKey, std::numeric_limits<std::int64_t>::min()},
           Case{"9007199254740993", KeyOutcome::kKey, 9007199254740993},
           Case{"9223372036854775808", KeyOutcome::kNoMatch},
           Case{"99999999999999999999", KeyOutcome::kNoMatch},
           Case{"5.5", KeyOutcome::kNoMatch},
           Case{"1e100", KeyOutcome::kNoMatch},
           Case{"5e-1", KeyOutcome::kNoMatch},
           Case{"NaN", KeyOutcome::kNoMatch},
           Case{"-Infinity", KeyOutcome::kNoMatch},
           Case{"inf", KeyOutcome::kNoMatch},
           Case{"", KeyOutcome::kMalformed},
           Case{".", KeyOutcome::kMalformed},
           Case{"1e", KeyOutcome::kMalformed},
           Case{"1.2.3", KeyOutcome::kMalformed},
           Case{"x", KeyOutcome::kMalformed},
           Case{"1e 5", KeyOutcome::kKey, 100000},
       }) {
    std::int64_t value = 0;
    EXPECT_EQ(static_cast<int>(read_numeric(c.text, value)), static_cast<int>(c.outcome)) << c.text;
    if (c.outcome == KeyOutcome::kKey) EXPECT_EQ(value, c.value) << c.text;
  }
}

// As numeric_int8 rounds: halves away from zero.
TEST(KeyValue, RoundsNumericsThatAreStored) {
  struct Case {
    const char* text;
    KeyOutcome outcome;
    std::int64_t value = 0;
  };
  for (const auto& c : {
           Case{"109.0", KeyOutcome::kKey, 109},
           Case{"109.5", KeyOutcome::kKey, 110},
           Case{"-109.5", KeyOutcome::kKey, -110},
           Case{"109.4999999999999999999999999", KeyOutcome::kKey, 109},
           Case{"0.5", KeyOutcome::kKey, 1},
           Case{"-.5", KeyOutcome::kKey, -1},
           Case{"0.05", KeyOutcome::kKey, 0},
           Case{"5e-1", KeyOutcome::kKey, 1},
           Case{"5e-2", KeyOutcome::kKey, 0},
           Case{"999e-3", KeyOutcome::kKey, 1},
           Case{"99.5", KeyOutcome::kKey, 100},
           Case{"1e-300000", KeyOutcome::kKey, 0},
           Case{"9223372036854775807.4", KeyOutcome::kKey, std::numeric_limits<std::int64_t>::max()},
           Case{"9223372036854775807.5", KeyOutcome::kNoMatch},
           Case{"9999999999999999999.5", KeyOutcome::kNoMatch},
           Case{"-9223372036854775808.4", KeyOutcome::kKey, std::numeric_limits<std::int64_t>::min()},
           Case{"-9223372036854775808.5", KeyOutcome::kNoMatch},
           Case{"NaN", KeyOutcome::kNoMatch},
           Case{"1e30", KeyOutcome::kNoMatch},
           Case{"1.2.3", KeyOutcome::kMalformed},
       }) {
    std::int64_t value = 0;
    EXPECT_EQ(static_cast<int>(read_numeric(c.text, value, Fraction::kRound)), static_cast<int>(c.outcome)) << c.text;
    if (c.outcome == KeyOutcome::kKey) EXPECT_EQ(value, c.value) << c.text;
  }
}

std::string numeric_bytes(std::int16_t weight, std::uint16_t sign, std::vector<std::int16_t> digits,
                          std::int16_t scale = 0) {
  std::string out;
  append_be(out, static_cast<std::int16_t>(digits.size()));
  append_be(out, weight);
  append_be(out, sign);
  append_be(out, scale);
  for (auto digit : digits) append_be(out, digit);
  return out;
}

TEST(KeyValue, ReadsBinaryNumerics) {
  std::int64_t value = 0;
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0, {5}), value), KeyOutcome::kKey);
  EXPECT_EQ(value, 5);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(1, 0x4000, {12, 3456}), value), KeyOutcome::kKey);
  EXPECT_EQ(value, -123456);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(2, 0, {7}), value), KeyOutcome::kKey);
  EXPECT_EQ(value, 700000000);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0, {}), value), KeyOutcome::kKey);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0, {5, 5000}, 1), value), KeyOutcome::kNoMatch);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0xC000, {}), value), KeyOutcome::kNoMatch);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0, {5, 5000}, 1), value, Fraction::kRound), KeyOutcome::kKey);
  EXPECT_EQ(value, 6);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(-1, 0x4000, {4999}, 4), value, Fraction::kRound), KeyOutcome::kKey);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(-2, 0, {9999}, 8), value, Fraction::kRound), KeyOutcome::kKey);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0, {5, 5000}, 0), value, Fraction::kRound), KeyOutcome::kUnreadable);  // numeric_recv cuts it
  EXPECT_EQ(read_numeric_binary("x", value), KeyOutcome::kMalformed);
  EXPECT_EQ(read_numeric_binary(numeric_bytes(0, 0, {10000}), value), KeyOutcome::kMalformed);
}

TEST(KeyValue, HashesEverySpellingAlike) {
  using schema::KeyFamily;
  const auto hash = [](Bytes value, bool binary, Oid type, KeyFamily family) {
    const auto result = hash_value(value, binary, type, family, HashKind::kPostgres);
    return result.outcome == KeyOutcome::kKey ? result.hash : 0;
  };
  const auto expected = hash_integer(7);
  EXPECT_EQ(hash(" +007 ", false, schema::kInt8Oid, KeyFamily::kInteger), expected);
  EXPECT_EQ(hash("7.0", false, schema::kNumericOid, KeyFamily::kInteger), expected);
  EXPECT_EQ(hash(Bytes("\0\7", 2), true, schema::kInt2Oid, KeyFamily::kInteger), expected);
  EXPECT_EQ(hash(Bytes("\0\0\0\7", 4), true, schema::kInt4Oid, KeyFamily::kInteger), expected);
  EXPECT_EQ(hash(Bytes("\0\0\0\0\0\0\0\7", 8), true, schema::kInt8Oid, KeyFamily::kInteger), expected);
  EXPECT_EQ(hash_value("70000", false, schema::kInt2Oid, KeyFamily::kInteger, HashKind::kPostgres).outcome,
            KeyOutcome::kMalformed);
  EXPECT_EQ(hash_value("\0", true, schema::kInt4Oid, KeyFamily::kInteger, HashKind::kPostgres).outcome,
            KeyOutcome::kMalformed);
  EXPECT_EQ(hash("ada", false, schema::kTextOid, KeyFamily::kText), hash_text("ada"));
  EXPECT_EQ(hash_value("7", false, schema::kInt8Oid, KeyFamily::kInteger, HashKind::kXxh64).hash,
            xxh64_integer(7));
}

std::string elements(Bytes text) {
  TextArray array(text);
  std::string out;
  for (;;) {
    switch (array.next()) {
      case ArrayStep::kElement:
        out += array.is_null() ? "<null>" : "[" + array.value() + "]";
        break;
      case ArrayStep::kEnd:
        return out + ".";
      case ArrayStep::kMalformed:
        return out + "malformed";
      case ArrayStep::kUnreadable:
        return out + "unreadable";
    }
  }
}

TEST(ArrayValue, ReadsTextArrays) {
  EXPECT_EQ(elements("{}"), ".");
  EXPECT_EQ(elements(" { 1 , 2,3 } "), "[1][2][3].");
  EXPECT_EQ(elements("{\"a,b\",\"c\\\"d\",e f ,NULL,\"NULL\",n\\ull}"),
            "[a,b][c\"d][e f]<null>[NULL][null].");
  EXPECT_EQ(elements("{\" a \"}"), "[ a ].");
  EXPECT_EQ(elements("{1,2"), "[1]malformed");
  EXPECT_EQ(elements("{1,}"), "[1]malformed");
  EXPECT_EQ(elements("1,2"), "malformed");
  EXPECT_EQ(elements("{1}x"), "[1]malformed");
  EXPECT_EQ(elements("{{1},{2}}"), "unreadable");
  EXPECT_EQ(elements("[0:1]={1,2}"), "unreadable");
}

TEST(ArrayValue, ReadsBinaryArrays) {
  std::string bytes;
  for (std::int32_t word : {1, 1, 20, 2, 1}) append_be(bytes, word);
  append_be(bytes, std::int32_t{8});
  append_be(bytes, std::int64_t{5});
  append_be(bytes, std::int32_t{-1});
  BinaryArray array(bytes);
  ASSERT_EQ(array.next(), ArrayStep::kElement);
  EXPECT_EQ(array.element_type(), 20u);
  EXPECT_EQ(load_be<std::int64_t>(array.value().data()), 5);
  ASSERT_EQ(array.next(), ArrayStep::kElement);
  EXPECT_TRUE(array.is_null());
  EXPECT_EQ(array.next(), ArrayStep::kEnd);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    BinaryArray part(Bytes(bytes).substr(0, cut));
    ArrayStep step;
    while ((step = part.next()) == ArrayStep::kElement) {
    }
    EXPECT_EQ(step, ArrayStep::kMalformed) << cut;
  }
}

}  // namespace
}  // namespace howdah::sharding
