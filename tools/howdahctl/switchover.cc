#include "tools/howdahctl/switchover.h"

#include <cstdio>

#include "tools/howdahctl/proxy_url.h"

namespace howdah::ctl {

namespace {

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

int fail(const std::string& message, const std::string& detail, const std::string& hint, bool json) {
  if (json) std::printf("{\"schema\": \"howdah.switchover.v1\", \"done\": false, \"error\": %s, \"detail\": %s}\n", json_string(message).c_str(), json_string(detail).c_str());
  std::fprintf(stderr, "howdahctl: %s\n", message.c_str());
  if (!detail.empty()) std::fprintf(stderr, "%s\n", detail.c_str());
  if (!hint.empty()) std::fprintf(stderr, "%s\n", hint.c_str());
  return 1;
}

}  // namespace

int Switchover::run() const {
  auto console = connect_console(url);
  if (!console) return fail(console.error().message, "", console.error().hint, json);
  std::string of = database;
  if (of.empty()) {
    const auto shards = (*console)->exec("SHOW SHARDS", {}, pq::within(std::chrono::seconds(30)));
    if (!shards) return fail(shards.error().message, "", "", json);
    for (int i = 0; i < shards->rows(); ++i) {
      if (!of.empty() && of != shards->text(i, 0)) return fail("there are several databases", "", "name one with --database", json);
      of = shards->text(i, 0);
    }
  }
  const std::string command = "SWITCHOVER " + quoted(of) + " " + quoted(shard) + (to.empty() ? "" : " TO " + quoted(to)) + (dry_run ? " DRY RUN" : "");
  const auto steps = (*console)->exec(command, {}, pq::within(std::chrono::minutes(10)));
  if (!steps) return fail(steps.error().message, steps.error().detail, steps.error().hint, json);
  if (json) std::printf("{\"schema\": \"howdah.switchover.v1\", \"done\": %s, \"steps\": [", dry_run ? "false" : "true");
  for (int i = 0; i < steps->rows(); ++i) {
    if (json) {
      std::printf("%s\n  {\"step\": %s, \"detail\": %s, \"ms\": %s}", i == 0 ? "" : ",", json_string(steps->text(i, 0)).c_str(),
                  json_string(steps->text(i, 1)).c_str(), steps->text(i, 2).c_str());
    } else {
      std::printf("%6s ms  %-12s %s\n", steps->text(i, 2).c_str(), steps->text(i, 0).c_str(), steps->text(i, 1).c_str());
    }
  }
  if (json) std::printf("\n]}\n");
  return 0;
}

}  // namespace howdah::ctl
