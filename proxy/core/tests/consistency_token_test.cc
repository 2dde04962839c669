#include "proxy/core/consistency_token.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

TEST(ConsistencyToken, IsReadAsItWasWritten) {
  const ConsistencyToken token{"prod", 12, {{"s0", 1, 0x3000148}, {"s-1", 7, 0xffffffffffffffff}}};
  EXPECT_EQ(token.text(), "howdah1:prod:12:s0=1/3000148,s-1=7/ffffffffffffffff");
  EXPECT_EQ(ConsistencyToken::parse(token.text()), token);
  const ConsistencyToken nothing{"prod", 0, {}};
  EXPECT_EQ(ConsistencyToken::parse(nothing.text()), nothing);
}

TEST(ConsistencyToken, IsNothingElse) {
  for (const char* text : {"", "howdah1", "howdah1:", "howdah1:c", "howdah1:c:1", "howdah1:c:x:", "howdah1:c::", "howdah2:c:1:", "howdah1:c:1:s0", "howdah1:c:1:s0=", "howdah1:c:1:s0=1",
                           "howdah1:c:1:s0=1/", "howdah1:c:1:s0=1/xyz", "howdah1:c:1:s0=-1/1", "howdah1:c:1:=1/1", "howdah1:c:1:s0=1/1ffffffffffffffff", "howdah1:c:1:s0=4294967296/1",
                           "howdah1:c:1:,", "howdah1:c:1:s0=1/2/3"}) {
    EXPECT_FALSE(ConsistencyToken::parse(text)) << text;
  }
}

}  // namespace
}  // namespace howdah::proxy
