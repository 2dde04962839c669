#include "tools/howdahctl/drift.h"

#include <cstdio>
#include <vector>

#include "tools/howdahctl/proxy_url.h"

namespace howdah::ctl {

namespace {

struct Difference {
  std::string database, shard, kind, object, first_shard, first_has, shard_has;
};

std::string json_or_null(const std::string& text) { return text.empty() ? "null" : json_string(text); }

void print_json(const std::vector<Difference>& all, const std::vector<std::string>& errors) {
  std::string out = "{\"schema\": \"howdah.drift.v1\", \"drift\": [";
  for (const Difference& one : all) {
    out += std::string(&one == &all.front() ? "" : ",") + "\n  {\"database\": " + json_string(one.database) + ", \"kind\": " + json_string(one.kind) +
           ", \"object\": " + json_string(one.object) + ", \"first_shard\": " + json_string(one.first_shard) + ", \"first_shard_has\": " +
           json_or_null(one.first_has) + ", \"shard\": " + json_string(one.shard) + ", \"shard_has\": " + json_or_null(one.shard_has) + "}";
  }
  out += std::string(all.empty() ? "" : "\n") + "], \"errors\": [";
  for (const auto& error : errors) out += (&error == &errors.front() ? "" : ", ") + json_string(error);
  std::printf("%s]}\n", out.c_str());
}

void print_text(const std::vector<Difference>& all) {
  const auto side = [](const std::string& shard, const std::string& has) {
    std::printf("  %s: %s\n", shard.c_str(), has.empty() ? "not there" : has.c_str());
  };
  for (const Difference& one : all) {
    std::printf("%s  %s %s\n", one.database.c_str(), one.kind.c_str(), one.object.c_str());
    side(one.first_shard, one.first_has);
    side(one.shard, one.shard_has);
  }
  std::printf("%zu differences\n", all.size());
}

}  // namespace

int Drift::run() const {
  auto console = connect_console(url);
  if (!console) {
    std::fprintf(stderr, "howdahctl: %s\n%s\n", console.error().message.c_str(), console.error().hint.c_str());
    return 1;
  }
  const auto rows = (*console)->exec("SHOW DRIFT", {}, pq::within(std::chrono::minutes(5)));
  if (!rows) {
    std::fprintf(stderr, "howdahctl: %s\n", rows.error().message.c_str());
    return 1;
  }
  std::vector<Difference> all;
  std::vector<std::string> errors;
  for (int i = 0; i < rows->rows(); ++i) {
    if (!database.empty() && rows->text(i, 0) != database) continue;
    if (!rows->text(i, 7).empty()) {
      errors.push_back(rows->text(i, 1) + ": " + rows->text(i, 7));
    } else {
      all.push_back({rows->text(i, 0), rows->text(i, 1), rows->text(i, 2), rows->text(i, 3), rows->text(i, 4), rows->text(i, 5), rows->text(i, 6)});
    }
  }
  json ? print_json(all, errors) : print_text(all);
  for (const auto& error : errors) std::fprintf(stderr, "howdahctl: %s\n", error.c_str());
  return all.empty() && errors.empty() ? 0 : 1;
}

}  // namespace howdah::ctl
