#include "drivers/pgwire/md5.h"

#include <gtest/gtest.h>

namespace howdah::pgwire {
namespace {

constexpr Md5Salt kSalt = {'\x01', '\x00', '\xff', 's'};

TEST(Md5, VerifiersAreWhatPostgresqlStores) {
  // SELECT rolpassword FROM pg_authid after CREATE ROLE app PASSWORD 'secret' with password_encryption = md5.
  EXPECT_EQ(md5_verifier("app", "secret"), "md56a422f785c9e20873908ce25d1736ae2");
  EXPECT_TRUE(is_md5_verifier(md5_verifier("app", "secret")));
}

// concat('md5', md5(concat(md5(concat(password, user)), salt))), computed by PostgreSQL.
TEST(Md5, ResponsesFollowTheManualsFormula) {
  EXPECT_EQ(md5_password("app", "secret", {'s', 'a', 'l', 't'}), "md57f097e06031b34893c20e25a0e68242c");
  EXPECT_EQ(md5_response(md5_verifier("app", "secret"), kSalt), md5_password("app", "secret", kSalt));
}

TEST(Md5, OnlyTheRightResponsePasses) {
  const std::string verifier = md5_verifier("app", "secret");
  EXPECT_TRUE(check_md5_response(verifier, kSalt, md5_password("app", "secret", kSalt)));
  EXPECT_FALSE(
      check_md5_response(verifier, kSalt, md5_password("app", "secret", {'\x01', '\x00', '\xff', 't'})));
  EXPECT_FALSE(check_md5_response(verifier, kSalt, md5_password("app", "Secret", kSalt)));
  EXPECT_FALSE(check_md5_response(verifier, kSalt, md5_password("other", "secret", kSalt)));
  EXPECT_FALSE(check_md5_response(verifier, kSalt, verifier));
  EXPECT_FALSE(check_md5_response(verifier, kSalt, ""));
}

TEST(Md5, WhatIsNoVerifierFitsNothing) {
  for (const Bytes text :
       {"", "secret", "md5", "md5d41d8cd98f00b204e9800998ecf8427", "MD5d41d8cd98f00b204e9800998ecf8427e",
        "md5D41D8CD98F00B204E9800998ECF8427E", "md5d41d8cd98f00b204e9800998ecf8427e0"}) {
    EXPECT_FALSE(is_md5_verifier(text)) << text;
    EXPECT_EQ(md5_response(text, kSalt), "") << text;
    EXPECT_FALSE(check_md5_response(text, kSalt, "")) << text;
  }
}

}  // namespace
}  // namespace howdah::pgwire
