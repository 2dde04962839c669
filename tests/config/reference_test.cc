#include "proxy/config/reference.h"

#include <gtest/gtest.h>

#include "proxy/config/config.h"
#include "tests/support/files.h"

namespace howdah::config {
namespace {

// Tests run in the repository's root. To renew the page: howdah --print-config-reference > docs/CONFIG.md
TEST(Reference, DocsConfigMdIsWhatTheCodeSays) {
  EXPECT_EQ(testing::read_file_or_empty("docs/CONFIG.md"), config_reference_markdown());
}

TEST(Reference, ItsExampleLoads) {
  const std::string page = config_reference_markdown();
  const auto begin = page.find("```yaml\n") + 8;
  std::string example = page.substr(begin, page.find("```", begin) - begin);
  for (const std::string from :
       {"\"${APP_PASSWORD}\"", "{ file: admin.password }", "\"${HOWDAH_CONTROL_PASSWORD}\""}) {
    const auto at = example.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    example.replace(at, from.size(), "x");
  }
  const auto loaded = load_text(example, "example.yaml");
  EXPECT_TRUE(loaded.faults.empty()) << loaded.faults[0].to_string();
}

}  // namespace
}  // namespace howdah::config
