// The alert rules and the dashboard that come with Howdah name metrics and labels that it really has.
#include <boost/json.hpp>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>

#include "proxy/admin/tests/fixture.h"

namespace howdah::testing {
namespace {

std::string read(const char* path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

class MonitoringTest : public AdminTest {
 protected:
  // Metrics, each with the labels of its samples. One without samples has none.
  static std::map<std::string, std::set<std::string>> metrics() {
    howdah->connect().must("SELECT count(*) FROM users");
    std::map<std::string, std::set<std::string>> out;
    static const std::regex type(R"(# TYPE (\S+) (\S+))"), sample(R"(^([a-z_]+)\{(.*)\} )"), label(R"lit(([a-z_]+)="[^"]*")lit");
    std::istringstream lines(http_get(howdah->http_port(), "/metrics").body);
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (std::regex_match(line, match, type)) {
        if (match[2] == "histogram") {
          for (const char* part : {"_bucket", "_sum", "_count"}) out[match[1].str() + part];
        } else {
          out[match[1]];
        }
      } else if (std::regex_search(line, match, sample)) {
        auto& labels = out[match[1]];
        const std::string text = match[2];
        for (std::sregex_iterator at(text.begin(), text.end(), label), end; at != end; ++at) labels.insert((*at)[1]);
      }
    }
    return out;
  }

  // Every metric in the expression is known, and every label that it names belongs to one of them, or comes from Prometheus.
  static void check(const std::string& expression, const std::string& text, const std::map<std::string, std::set<std::string>>& known) {
    static const std::regex name(R"(\b(howdah|process)_[a-z_]+)"), by(R"(\bby \(([^)]*)\))"), selector(R"re(([a-z_]+)(=~|!~|!=|=)")re"),
        shown(R"(\{\{ ?(\$labels\.)?([a-z_]+) ?[|}])"), word(R"([a-z_]+)");
    std::set<std::string> labels{"instance", "job", "le"};
    bool sampled = true;  // all of its metrics have samples now, which tell the labels
    for (std::sregex_iterator at(expression.begin(), expression.end(), name), end; at != end; ++at) {
      const auto metric = known.find(at->str());
      ASSERT_TRUE(metric != known.end()) << "there is no metric " << at->str() << " in " << expression;
      sampled = sampled && !metric->second.empty();
      labels.insert(metric->second.begin(), metric->second.end());
    }
    if (!sampled) return;
    const auto wants = [&](const std::string& label) { EXPECT_TRUE(labels.contains(label)) << "label " << label << " in " << expression << " or " << text; };
    for (std::sregex_iterator at(expression.begin(), expression.end(), by), end; at != end; ++at) {
      const std::string list = (*at)[1];
      for (std::sregex_iterator item(list.begin(), list.end(), word); item != end; ++item) wants(item->str());
    }
    for (std::sregex_iterator at(expression.begin(), expression.end(), selector), end; at != end; ++at) wants((*at)[1]);
    for (std::sregex_iterator at(text.begin(), text.end(), shown), end; at != end; ++at) wants((*at)[2]);
  }
};

TEST_F(MonitoringTest, AlertRulesNameWhatThereIs) {
  const auto known = metrics();
  const YAML::Node root = YAML::Load(read("deploy/prometheus/howdah.rules.yml"));
  std::set<std::string> names;
  for (const auto& group : root["groups"]) {
    for (const auto& rule : group["rules"]) {
      const auto name = rule["alert"].as<std::string>();
      EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
      const auto severity = rule["labels"]["severity"].as<std::string>();
      EXPECT_TRUE(severity == "page" || severity == "ticket") << name;
      check(rule["expr"].as<std::string>(), rule["annotations"]["summary"].as<std::string>(), known);
    }
  }
  EXPECT_GE(names.size(), 10u);
}

TEST_F(MonitoringTest, TheDashboardNamesWhatThereIs) {
  const auto known = metrics();
  const auto root = boost::json::parse(read("deploy/grafana/howdah.json"));
  std::size_t queries = 0;
  for (const auto& panel : root.at("panels").as_array()) {
    for (const auto& target : panel.at("targets").as_array()) {
      check(target.at("expr").as_string().c_str(), target.at("legendFormat").as_string().c_str(), known);
      ++queries;
    }
  }
  EXPECT_GE(queries, 15u);
}

}  // namespace
}  // namespace howdah::testing
