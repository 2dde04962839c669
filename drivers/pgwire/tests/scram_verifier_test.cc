#include "drivers/pgwire/scram_verifier.h"

#include <gtest/gtest.h>

namespace howdah::pgwire {
namespace {

// SELECT rolpassword FROM pg_authid on PostgreSQL 15 after CREATE ROLE u PASSWORD 'pencil'.
constexpr char kStored[] =
    "SCRAM-SHA-256$4096:ccCN4MrREOBl5D+lOLCR3w==$KmSB0zPwN5KoxSXXkuF1za2BOZs1l9eiRVm/orldtzQ=:"
    "rbkqeVLYwGFmpheK0uyoWwKiCyMdI0fzFqgZoki7+Bk=";

TEST(ScramVerifier, IsTheOnePostgresqlStores) {
  const auto verifier = ScramVerifier::parse(kStored);
  ASSERT_TRUE(verifier);
  EXPECT_EQ(verifier->iterations, 4096);
  EXPECT_EQ(verifier->salt.size(), 16U);
  EXPECT_EQ(verifier->to_string(), kStored);
  EXPECT_EQ(ScramVerifier::make("pencil", verifier->salt, verifier->iterations).to_string(), kStored);
  EXPECT_TRUE(verifier->matches("pencil"));
  EXPECT_FALSE(verifier->matches("Pencil"));
  EXPECT_FALSE(verifier->matches(""));
}

TEST(ScramVerifier, IsNotReadFromAnythingElse) {
  const std::string stored = kStored;
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_FALSE(ScramVerifier::parse(stored.substr(0, size))) << size;
  }
  const std::string tail = stored.substr(stored.find("ccCN"));
  for (const std::string& text :
       {stored + "=", stored + ":", " " + stored, "SCRAM-SHA-1$4096:" + tail, "SCRAM-SHA-256$0:" + tail,
        "SCRAM-SHA-256$-1:" + tail, "SCRAM-SHA-256$1000001:" + tail, "SCRAM-SHA-256$99999999999:" + tail,
        "SCRAM-SHA-256$x:" + tail, "SCRAM-SHA-256$4096::$" + tail.substr(tail.find('$') + 1),
        "SCRAM-SHA-256$4096:$" + tail.substr(tail.find('$') + 1),
        std::string("md56a422f785c9e20873908ce25d1736ae2")}) {
    EXPECT_FALSE(ScramVerifier::parse(text)) << text;
  }
}

TEST(ScramVerifier, OfAnUnknownUserIsStableAndItsOwn) {
  const auto mock = ScramVerifier::mock("nobody", "secret");
  EXPECT_EQ(mock.to_string(), ScramVerifier::mock("nobody", "secret").to_string());
  EXPECT_EQ(mock.iterations, kScramDefaultIterations);
  EXPECT_EQ(mock.salt.size(), 16U) << "as long as a real one";
  EXPECT_NE(mock.salt, ScramVerifier::mock("somebody", "secret").salt);
  EXPECT_NE(mock.salt, ScramVerifier::mock("nobody", "another secret").salt);
  EXPECT_TRUE(ScramVerifier::parse(mock.to_string()));
}

}  // namespace
}  // namespace howdah::pgwire
