#include "tests/e2e_state/state_fixture.h"

#include <algorithm>
#include <stdexcept>

#include "tests/e2e/start.h"

namespace howdah::e2e_state {

using testing::PgConn;

std::unique_ptr<testing::PgCluster> StateTest::cluster_;
std::unique_ptr<testing::HowdahProcess> StateTest::howdah_;

namespace {

void replace(std::string& text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  if (at == std::string::npos) throw std::runtime_error("the configuration has no " + what);
  text.replace(at, what.size(), by);
}

}  // namespace

std::string backend(PgConn& client) { return client.must("SELECT pg_backend_pid()").scalar(); }

Moved::Moved(const testing::HowdahProcess& howdah, PgConn& client) : blocker_(howdah.connect()) {
  // The connection used last is the next one taken, unless one that an earlier client left comes back in between.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string from = backend(client);
    blocker_.must("BEGIN");
    if (backend(blocker_) == from) return;
    blocker_.must("ROLLBACK");
  }
  throw std::runtime_error("the client's connection could not be held");
}

Moved::~Moved() { blocker_.query("ROLLBACK"); }

void StateTest::start(const std::string& extra) {
  cluster_ = std::make_unique<testing::PgCluster>();
  cluster_->primary().run_sql(
      "CREATE ROLE other; GRANT other TO app; CREATE ROLE \"odd \"\"role\"; GRANT \"odd \"\"role\" TO app;"
      "GRANT ALL ON SCHEMA public TO app, other; SET ROLE app;"
      "CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'one');"
      "CREATE FUNCTION set_tenant(t text) RETURNS void LANGUAGE plpgsql AS "
      "$$BEGIN PERFORM set_config('app.tenant', t, false); SET work_mem = '5MB'; END$$;"
      "CREATE FUNCTION with_clause() RETURNS text LANGUAGE sql SET work_mem = '3MB' AS $$SELECT current_setting('work_mem')$$;"
      "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN PERFORM set_config('app.noted', NEW.id::text, false); RETURN NEW; END$$;"
      "CREATE TABLE watched (id int); CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION noted();"
      "CREATE FUNCTION lock_it() RETURNS void LANGUAGE sql AS $$SELECT pg_advisory_lock(99)$$;"
      "CREATE FUNCTION plain(a int) RETURNS int LANGUAGE sql AS $$SELECT a + 1$$");
  testing::HowdahOptions options;
  options.pool = "{ mode: transaction, size: 2, wait_timeout: 5s" + (extra.empty() ? "" : ", " + extra) + " }";
  // One worker, so that both connections are its own: which of them comes next is then known.
  constexpr std::uint16_t kPort = 65001, kHttpPort = 65002;
  options.yaml = testing::howdah_yaml(*cluster_, options, kPort, kHttpPort);
  replace(options.yaml, std::to_string(kPort), "@PORT@");
  replace(options.yaml, std::to_string(kHttpPort), "@HTTP@");
  replace(options.yaml, "workers: 2", "workers: 1");
  howdah_ = e2e::start(*cluster_, options);
}

void StateTest::TearDownTestSuite() {
  howdah_.reset();
  cluster_.reset();
}

std::string StateTest::after_move(PgConn& client, const std::string& sql) {
  Moved moved(howdah(), client);
  return client.must(sql).scalar();
}

std::string StateTest::pins() {
  PgConn console = howdah().connect("admin", "howdah");
  const auto shown = console.must("SHOW CLIENTS");
  const auto column = [&](const std::string& name) {
    const auto at = std::find(shown.columns.begin(), shown.columns.end(), name);
    if (at == shown.columns.end()) throw std::runtime_error("SHOW CLIENTS has no column " + name);
    return static_cast<std::size_t>(at - shown.columns.begin());
  };
  std::string out;
  for (const auto& row : shown.rows) {
    const std::string reason = row[column("pinned")].value_or("");
    if (!reason.empty()) out += (out.empty() ? "" : "; ") + reason;
  }
  return out;
}

}  // namespace howdah::e2e_state
