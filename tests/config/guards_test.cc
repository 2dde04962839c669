// rate_limits, blocks and breakers in the file.
#include <gtest/gtest.h>

#include "proxy/config/config.h"
#include "tests/config/sample.h"

namespace howdah::config {
namespace {

std::string with(const std::string& lines) { return lines + std::string(kSample); }

std::vector<std::string> faults_of(const std::string& text) {
  std::vector<std::string> out;
  for (const auto& fault : load_text(text, "t.yaml").faults) out.push_back(fault.message);
  return out;
}

TEST(Guards, AreReadWithTheirDefaults) {
  const auto loaded = load_text(with("rate_limits: [ { max: 5 }, { name: a, user: app, database: app, address: 10.1.0.0/16, max: 7, burst: 2, "
                                     "window: 1m, per: client, fingerprint: 50fde20626009aba } ]\n"
                                     "blocks: [ { fingerprint: \"0000000000000001\", reason: no } ]\n"),
                                "t.yaml");
  ASSERT_TRUE(loaded.config) << (loaded.faults.empty() ? "" : loaded.faults[0].to_string());
  ASSERT_EQ(loaded.config->rate_limits.size(), 2u);
  const RateLimit& plain = loaded.config->rate_limits[0];
  EXPECT_EQ(plain.name, "1");
  EXPECT_EQ(plain.window, milliseconds(1'000));
  EXPECT_EQ(plain.per, LimitPer::kAll);
  const RateLimit& full = loaded.config->rate_limits[1];
  EXPECT_EQ(full.fingerprint, 0x50fde20626009abaull);
  EXPECT_EQ(full.per, LimitPer::kClient);
  ASSERT_TRUE(full.range);
  EXPECT_TRUE(access::in_range(*access::parse_address("10.1.2.3"), *full.range, full.mask));
  EXPECT_FALSE(access::in_range(*access::parse_address("10.2.2.3"), *full.range, full.mask));
  ASSERT_EQ(loaded.config->blocks.size(), 1u);
  EXPECT_EQ(loaded.config->blocks[0].fingerprint, 1u);
  EXPECT_EQ(loaded.config->databases.begin()->second.breaker, Breaker{}) << "off";
}

TEST(Guards, FaultsAreNamed) {
  using Faults = std::vector<std::string>;
  EXPECT_EQ(faults_of(with("rate_limits: [ { user: app } ]\n")), (Faults{"rate_limits[0]: key \"max\" is missing"}));
  EXPECT_EQ(faults_of(with("rate_limits: [ { max: 1, address: 10.0.0.0/33 } ]\n")), (Faults{"rate_limits[0].address: \"10.0.0.0/33\" is no range of addresses"}));
  EXPECT_EQ(faults_of(with("rate_limits: [ { max: 1, address: localhost } ]\n")), (Faults{"rate_limits[0].address: \"localhost\" is no range of addresses"}));
  EXPECT_EQ(faults_of(with("rate_limits: [ { name: a, max: 1 }, { name: a, max: 2 } ]\n")), (Faults{"rate_limits[1]: name \"a\" is given twice"}));
  const auto blocks = faults_of(with("blocks: [ { fingerprint: SELECT } ]\n"));
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].rfind("blocks[0].fingerprint: \"SELECT\" is no fingerprint", 0), 0u) << blocks[0];
}

}  // namespace
}  // namespace howdah::config
