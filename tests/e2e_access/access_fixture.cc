#include "tests/e2e_access/access_fixture.h"

#include <signal.h>

#include "tests/support/wait.h"

namespace howdah::e2e_access {

namespace {

void replace(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

std::string yaml_of(testing::PgCluster& cluster, const Access& access) {
  std::string database;
  for (const auto& line : testing::split(access.database, '\n')) database += "    " + line + "\n";
  return "cluster: test\nworkers: 2\nlisten: { address: 127.0.0.1, port: @PORT@" + (access.listen.empty() ? "" : ", " + access.listen) +
         " }\nhttp: { address: 127.0.0.1, port: @HTTP@ }\n" + (access.users.empty() ? "" : "users: " + access.users + "\n") +
         "pool: " + access.pool + "\n" + access.extra + (access.extra.empty() ? "" : "\n") +
         "databases:\n  app:\n" + (access.control ? "    control: { user: howdah, password: howdah }\n" : "") + database +
         "    shards:\n      - { name: s0, primary: \"" + cluster.primary().address() + " " + access.server + "\" }\n";
}

std::string yaml_of(testing::PgCluster& cluster, const Access& access, const testing::HowdahProcess& howdah) {
  std::string yaml = yaml_of(cluster, access);
  replace(yaml, "@PORT@", std::to_string(howdah.port()));
  replace(yaml, "@HTTP@", std::to_string(howdah.http_port()));
  return yaml;
}

std::unique_ptr<testing::HowdahProcess> start(testing::PgCluster& cluster, const Access& access) {
  return std::make_unique<testing::HowdahProcess>(cluster, testing::HowdahOptions{.yaml = yaml_of(cluster, access)});
}

void reload(testing::HowdahProcess& howdah, const std::string& yaml) {
  const auto reloads = [&] {
    const std::string log = howdah.log();
    return count(log, "configuration reloaded") + count(log, "reload refused");
  };
  const std::size_t before = reloads();
  howdah.rewrite_config(yaml);
  howdah.signal(SIGHUP);
  testing::await("the reload", [&] { return reloads() > before; });
}

std::string check(const std::string& yaml) {
  testing::TempDir folder;
  std::string text = yaml;
  replace(text, "@PORT@", "6432");
  replace(text, "@HTTP@", "9432");
  testing::write_file(folder.path() + "/howdah.yaml", text);
  const auto done = testing::run({.argv = {testing::howdah_binary(), "--config", folder.path() + "/howdah.yaml", "--check"}});
  std::string output = done.output;
  replace(output, folder.path() + "/", "");
  return std::to_string(done.status) + "\n" + output;
}

}  // namespace howdah::e2e_access
