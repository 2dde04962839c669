#include "tests/e2e_limits/limits_fixture.h"

#include <signal.h>

namespace howdah::e2e_limits {

std::unique_ptr<PgCluster> Limits::cluster_;

namespace {

testing::HowdahOptions options_for(PgCluster& cluster, const Chosen& chosen) {
  testing::HowdahOptions options;
  options.yaml = "cluster: test\nworkers: " + std::to_string(chosen.workers) +
                 "\nlisten: { address: 127.0.0.1, port: @PORT@ }\nhttp: { address: 127.0.0.1, port: @HTTP@ }\nusers:\n"
                 "  - { name: app, password: app" + chosen.app + " }\n  - { name: hot, password: hot" + chosen.hot +
                 " }\n  - { name: cold, password: cold" + chosen.cold +
                 " }\n  - { name: admin, password: admin, admin: true }\npool: " + chosen.pool + "\nlimits: " +
                 chosen.limits + "\ndatabases:\n  app:\n    control: { user: howdah, password: howdah }\n    shards:\n"
                 "      - { name: s0, primary: \"" + cluster.primary().address() + "\" }\n";
  if (!chosen.database.empty()) options.yaml += "    " + chosen.database + "\n";
  return options;
}

}  // namespace

Heard::Heard(PgConn& client) : client_(client.raw()) {
  PQsetNoticeReceiver(
      client_,
      [](void* into, const PGresult* notice) {
        const auto field = [&](int code) {
          const char* text = PQresultErrorField(notice, code);
          return std::string(text == nullptr ? "" : text);
        };
        static_cast<std::vector<std::string>*>(into)->push_back(field(PG_DIAG_SQLSTATE) + " " +
                                                                field(PG_DIAG_MESSAGE_PRIMARY));
      },
      &said_);
}

Heard::~Heard() {
  PQsetNoticeReceiver(client_, [](void*, const PGresult*) {}, nullptr);
}

std::string Heard::last() {
  testing::wait_until([&] {
    const bool open = PQconsumeInput(client_) == 1;
    PQisBusy(client_);  // takes in what was read, also when the end of the stream was behind it
    return !said_.empty() || !open;
  });
  return said_.empty() ? "" : said_.back();
}

void Limits::SetUpTestSuite() {
  cluster_ = std::make_unique<PgCluster>();
  cluster_->primary().run_sql(
      "CREATE ROLE hot LOGIN PASSWORD 'hot'; CREATE ROLE cold LOGIN PASSWORD 'cold';"
      "GRANT ALL ON SCHEMA public TO app, hot, cold; CREATE TABLE notes (id int); GRANT ALL ON notes TO app, hot, cold");
}

void Limits::TearDownTestSuite() { cluster_.reset(); }

void Limits::start(const Chosen& chosen) {
  cluster_->primary().run_sql("TRUNCATE notes");
  howdah_ = std::make_unique<HowdahProcess>(*cluster_, options_for(*cluster_, chosen));
  console_ = std::make_unique<Console>(*howdah_);
  superuser_ = std::make_unique<PgConn>(cluster_->primary().superuser());
}

void Limits::reload(const Chosen& chosen) {
  const auto before = howdah_->log().size();
  howdah_->rewrite_config(howdah_yaml(*cluster_, options_for(*cluster_, chosen), howdah_->port(), howdah_->http_port()));
  howdah_->signal(SIGHUP);
  testing::await("the log to tell of the reload",
                 [&] { return howdah_->log().find("configuration reloaded", before) != std::string::npos; });
}

std::string Limits::refusal(const std::string& role, const std::string& database) {
  PgConn client(howdah_->url(role, database) + "?connect_timeout=10");
  return client.ok() ? "" : client.error();
}

long Limits::backends(const std::string& role) {
  return std::stol(superuser_
                       ->query("SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'hot', 'cold') AND "
                               "($1 = '' OR usename = $1)",
                               {role})
                       .scalar());
}

bool Limits::reaches(const std::string& role, long count) {
  return testing::wait_until([&] { return backends(role) == count; });
}

std::vector<PgConn> Limits::holders(const std::string& role, int count) {
  std::vector<PgConn> clients;
  for (int i = 0; i < count; ++i) {
    clients.push_back(connect(role));
    clients.back().must("BEGIN");
    clients.back().must("SELECT count(*) FROM notes");
  }
  return clients;
}

}  // namespace howdah::e2e_limits
