// The frozen vectors and random keys, asked again of a real server.
#include "sharding/hash.h"

#include <gtest/gtest.h>

#include <random>

#include "sharding/tests/hash_vectors.h"
#include "tests/support/pg_server.h"

namespace howdah::sharding {
namespace {

using testing::PgServer;
using testing::Value;

class HashOnServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PgServer; }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  // `function` over the keys as an array of `type`, in order.
  static std::vector<std::uint64_t> ask(const std::string& call, const std::string& type,
                                        const std::vector<std::string>& keys) {
    std::string array = "{";
    for (const auto& key : keys) array += (array.size() > 1 ? ",\"" : "\"") + escaped(key) + '"';
    auto connection = server_->superuser();
    auto answer = connection.query(
        "SELECT " + call + " FROM unnest($1::" + type + "[]) WITH ORDINALITY AS u(k, at) ORDER BY at",
        {Value(array + "}")});
    EXPECT_TRUE(answer.ok()) << answer.message;
    std::vector<std::uint64_t> hashes;
    for (const auto& row : answer.rows) hashes.push_back(static_cast<std::uint64_t>(std::stoll(*row[0])));
    return hashes;
  }

  static PgServer* server_;

 private:
  static std::string escaped(const std::string& key) {
    std::string out;
    for (char c : key) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    return out;
  }
};
PgServer* HashOnServer::server_ = nullptr;

std::mt19937_64& generator() {
  static std::mt19937_64 engine(20240229);
  return engine;
}

TEST_F(HashOnServer, IntegersOfEveryMagnitude) {
  std::vector<std::string> keys;
  std::vector<std::uint64_t> ours;
  auto add = [&](std::int64_t key) {
    keys.push_back(std::to_string(key));
    ours.push_back(hash_integer(key));
  };
  for (const auto& vector : vectors::kIntegers) add(vector.key);
  for (int i = 0; i < 2000; ++i) add(static_cast<std::int64_t>(generator()()) >> (i % 64));
  EXPECT_EQ(ask("hashint8extended(k, 0)", "bigint", keys), ours);
}

TEST_F(HashOnServer, SmallerIntegerTypesAgree) {
  std::vector<std::string> keys;
  std::vector<std::uint64_t> ours;
  for (int i = 0; i < 500; ++i) {
    auto key = static_cast<std::int16_t>(generator()());
    keys.push_back(std::to_string(key));
    ours.push_back(hash_integer(key));
  }
  EXPECT_EQ(ask("hashint4extended(k, 0)", "int", keys), ours);
  EXPECT_EQ(ask("hashint2extended(k, 0)", "smallint", keys), ours);
}

TEST_F(HashOnServer, Uuids) {
  std::vector<std::string> keys;
  std::vector<std::uint64_t> ours;
  for (int i = 0; i < 500; ++i) {
    std::array<std::uint8_t, 16> key{};
    std::string text;
    for (auto& byte : key) {
      byte = static_cast<std::uint8_t>(generator()());
      constexpr char kDigits[] = "0123456789abcdef";
      text += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    keys.push_back(text);
    ours.push_back(hash_uuid(key));
  }
  EXPECT_EQ(ask("uuid_hash_extended(k, 0)", "uuid", keys), ours);
}

TEST_F(HashOnServer, TextsOfEveryLengthAndAlphabet) {
  const std::string alphabet[] = {"a", "Z", " ", "0", "'", "\"", "\\", "ü", "ß", "日", "🐘", ","};
  std::vector<std::string> keys;
  std::vector<std::uint64_t> ours;
  auto add = [&](std::string key) {
    ours.push_back(hash_text(key));
    keys.push_back(std::move(key));
  };
  for (const auto& vector : vectors::kTexts) add(vector.key);
  for (std::size_t length = 0; length < 300; ++length) {
    std::string key;
    for (std::size_t i = 0; i < length; ++i) key += alphabet[generator()() % std::size(alphabet)];
    add(std::move(key));
  }
  EXPECT_EQ(ask("hashtextextended(k COLLATE \"C\", 0)", "text", keys), ours);
}

TEST_F(HashOnServer, BucketsAgreeWithSql) {
  std::vector<std::string> keys;
  std::vector<std::uint64_t> ours;
  for (int i = 0; i < 500; ++i) {
    auto key = static_cast<std::int64_t>(generator()());
    keys.push_back(std::to_string(key));
    ours.push_back(bucket_of(hash_integer(key), 4096).value());
  }
  EXPECT_EQ(ask("hashint8extended(k, 0) & 4095", "bigint", keys), ours);
}

}  // namespace
}  // namespace howdah::sharding
