#include "drivers/pgwire/crypto.h"

#include <gtest/gtest.h>

namespace howdah::pgwire {
namespace {

// RFC 4648, section 10.
TEST(Crypto, Base64EncodesAndDecodesTheRfcsVectors) {
  const std::pair<Bytes, Bytes> cases[] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff", "+/8="}};
  for (const auto& [data, text] : cases) {
    EXPECT_EQ(base64_encode(data), text);
    EXPECT_EQ(base64_decode(text), data);
  }
}

TEST(Crypto, Base64DecodesNothingElse) {
  for (const Bytes text : {"Z", "Zg", "Zg=", "Zg===", "====", "Zg==Zg==", "Zm 9", "Zm9\n", "Zm-_",
                           "Z===", "=m9v", "Zh==", "Zm9="}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

// RFC 1321, section A.5.
TEST(Crypto, Md5IsTheRfcs) {
  EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

// RFC 4231, test case 2, and the empty key.
TEST(Crypto, HmacIsTheRfcs) {
  EXPECT_EQ(base64_encode(as_bytes(hmac_sha256("Jefe", "what do ya want for nothing?"))),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
  EXPECT_EQ(base64_encode(as_bytes(hmac_sha256({}, {}))), "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=");
}

TEST(Crypto, ComparesContentAndLength) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
}

}  // namespace
}  // namespace howdah::pgwire
