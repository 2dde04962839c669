#include "tools/howdahctl/transactions.h"

#include <cstdio>
#include <map>
#include <set>
#include <vector>

#include "tools/howdahctl/proxy_url.h"

namespace howdah::ctl {

namespace {

struct Part {
  std::string database, shard, gid, commit_point, owner, decision;
  std::int64_t age_ms = 0;
  std::string transaction;            // what the gids of one transaction have in common
  std::set<std::string> participants; // shards where it is prepared, or that its decision names
};

void split(const std::string& list, std::set<std::string>& out) {
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (end > at) out.insert(list.substr(at, end - at));
    at = end + 1;
  }
}

std::string joined(const std::set<std::string>& names, const char* between, bool json) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : between) + (json ? json_string(name) : name);
  return out;
}

void print_json(const std::vector<Part>& parts, const std::vector<std::string>& errors) {
  std::string out = "{\"schema\": \"howdah.transactions.v1\", \"in_doubt\": [";
  for (const Part& part : parts) {
    out += std::string(&part == &parts.front() ? "" : ",") + "\n  {\"gid\": " + json_string(part.gid) + ", \"database\": " + json_string(part.database) +
           ", \"shard\": " + json_string(part.shard) + ", \"participants\": [" + joined(part.participants, ", ", true) +
           "], \"commit_point\": " + json_string(part.commit_point) + ", \"owner\": " + json_string(part.owner) +
           ", \"age_ms\": " + std::to_string(part.age_ms) + ", \"decision\": " + json_string(part.decision) + "}";
  }
  out += std::string(parts.empty() ? "" : "\n") + "], \"errors\": [";
  for (const auto& error : errors) out += (&error == &errors.front() ? "" : ", ") + json_string(error);
  std::printf("%s]}\n", out.c_str());
}

}  // namespace

int Transactions::run() const {
  auto console = connect_console(url);
  if (!console) {
    std::fprintf(stderr, "howdahctl: %s\n%s\n", console.error().message.c_str(), console.error().hint.c_str());
    return 1;
  }
  const auto rows = (*console)->exec("SHOW TRANSACTIONS", {}, pq::within(std::chrono::minutes(2)));
  if (!rows) {
    std::fprintf(stderr, "howdahctl: %s\n", rows.error().message.c_str());
    return 1;
  }
  std::vector<Part> parts;
  std::vector<std::string> errors;
  std::map<std::string, std::set<std::string>> shards;  // by transaction
  for (int i = 0; i < rows->rows(); ++i) {
    Part part{rows->text(i, 0), rows->text(i, 1), rows->text(i, 2), rows->text(i, 3), rows->text(i, 4), rows->text(i, 6), rows->integer(i, 5), {}, {}};
    if (!database.empty() && part.database != database) continue;
    if (part.gid.empty()) {
      errors.push_back(part.shard + ": " + rows->text(i, 8));
      continue;
    }
    part.transaction = part.database + '\n' + part.gid.substr(part.gid.rfind(':') + 1);
    auto& all = shards[part.transaction];
    all.insert(part.shard);
    split(rows->text(i, 7), all);
    if (part.age_ms >= older_than) parts.push_back(std::move(part));
  }
  for (Part& part : parts) part.participants = shards[part.transaction];
  if (json) {
    print_json(parts, errors);
  } else {
    for (const Part& part : parts) {
      std::printf("%s  shard %s of %s  owner %s  age %.1f s  decision %s\n  %s\n", part.database.c_str(), part.shard.c_str(),
                  joined(part.participants, ",", false).c_str(), part.owner.c_str(), static_cast<double>(part.age_ms) / 1000, part.decision.c_str(),
                  part.gid.c_str());
    }
    std::printf("%zu in doubt\n", parts.size());
  }
  for (const auto& error : errors) std::fprintf(stderr, "howdahctl: %s\n", error.c_str());
  return errors.empty() ? 0 : 1;
}

}  // namespace howdah::ctl
