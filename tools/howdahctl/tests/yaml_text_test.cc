#include "tools/howdahctl/yaml_text.h"

#include <gtest/gtest.h>

namespace howdah::ctl {
namespace {

TEST(YamlText, KeepsTheOrderAndNests) {
  Yaml yaml;
  yaml["b"]["z"] = Yaml::plain("1");
  yaml["b"]["x"]["deep"] = Yaml::flag(true);
  yaml["a"] = Yaml::text("word");
  EXPECT_EQ(yaml.to_string(), "b:\n  z: 1\n  x:\n    deep: true\na: word\n");
}

TEST(YamlText, WritesListsOfSmallMapsOnALineEach) {
  Yaml yaml, one, two;
  one["name"] = Yaml::text("app");
  one["limits"]["clients"] = Yaml::plain("3");
  two["name"] = Yaml::text("on");
  yaml["users"].add(one);
  yaml["users"].add(two);
  EXPECT_EQ(yaml.to_string(), "users:\n  - { name: app, limits: { clients: 3 } }\n  - { name: \"on\" }\n");
}

TEST(YamlText, QuotesWhatYamlWouldReadOtherwise) {
  const auto text = [](std::string_view value) {
    Yaml yaml;
    yaml["k"] = Yaml::text(value);
    return yaml.to_string();
  };
  EXPECT_EQ(text("1"), "k: \"1\"\n");
  EXPECT_EQ(text(""), "k: \"\"\n");
  EXPECT_EQ(text("No"), "k: \"No\"\n");
  EXPECT_EQ(text("a: #b"), "k: \"a: #b\"\n");
  EXPECT_EQ(text("quote\" back\\"), "k: \"quote\\\" back\\\\\"\n");
  EXPECT_EQ(text("line\n\x7f"), "k: \"line\\x0a\\x7f\"\n");
  EXPECT_EQ(text("pa${HOME}ss $x"), "k: \"pa$${HOME}ss $x\"\n");
}

}  // namespace
}  // namespace howdah::ctl
