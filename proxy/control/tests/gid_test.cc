#include "proxy/control/gid.h"

#include <gtest/gtest.h>

namespace howdah::control {
namespace {

const std::string kHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(Gid, ReadsWhatItWrites) {
  Gid gid{"demo", "s1", "s0", Epoch(42), kHash};
  EXPECT_EQ(gid.to_string(), "howdah1:demo:s1:s0:42:" + kHash);
  EXPECT_EQ(parse_gid(gid.to_string()), gid);
  EXPECT_TRUE(gid.to_string().starts_with(gid_prefix("demo")));
}

TEST(Gid, AnythingElseIsNotOurs) {
  const std::string others[] = {
      "",
      "howdah1",
      "howdah1:demo:s1:s0:42:",
      "howdah2:demo:s1:s0:42:" + kHash,
      "howdah1:demo:s1:s0:42:" + kHash + "0",
      "howdah1:demo:s1:s0:42:" + kHash.substr(1),
      "howdah1:demo:s1:s0:42:" + kHash.substr(1) + "G",
      "howdah1:demo:s1:s0:42:" + kHash.substr(1) + "A",
      "howdah1:demo:s1:s0:-1:" + kHash,
      "howdah1:demo:s1:s0:042:" + kHash,
      "howdah1:demo:s1:s0:4x:" + kHash,
      "howdah1:demo:s1:s0:99999999999999999999:" + kHash,
      "howdah1:demo:s1::42:" + kHash,
      "howdah1::s1:s0:42:" + kHash,
      "howdah1:demo:s1:s0:42:" + kHash + ":",
      "howdah1:demo:x:s1:s0:42:" + kHash,
      " howdah1:demo:s1:s0:42:" + kHash,
  };
  for (const auto& text : others) EXPECT_FALSE(parse_gid(text)) << text;
}

}  // namespace
}  // namespace howdah::control
