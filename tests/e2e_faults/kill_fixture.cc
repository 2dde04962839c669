#include "tests/e2e_faults/kill_fixture.h"

#include "tests/support/wait.h"

namespace howdah::faults {

std::unique_ptr<KillTest::Load> KillTest::load_;

void KillTest::Load::saw(std::set<std::string>& errors, const std::string& sqlstate) {
  if (sqlstate.empty()) return;  // COMMIT of a failed transaction says ROLLBACK, without an SQLSTATE
  const std::lock_guard lock(mutex);
  errors.insert(sqlstate);
}

std::set<std::string> KillTest::Load::take(std::set<std::string>& errors) {
  const std::lock_guard lock(mutex);
  return std::exchange(errors, {});
}

void KillTest::Load::write(AppClient& client, int shard) {
  const long number = next++;
  const std::string insert =
      "INSERT INTO marks VALUES (" + std::to_string(keys[shard]) + ", " + std::to_string(number) + ")";
  const auto promise =
      number % 2 == 0 ? client.statement(insert) : client.transaction({"BEGIN", insert, "COMMIT"});
  books[shard].note(number, promise);
  if (promise != Books::Promise::kDone) saw(write_errors, client.last().sqlstate);
  unusable += client.take_unusable();
}

void KillTest::Load::read(AppClient& client, int shard) {
  const auto promise =
      client.statement("SELECT count(*) FROM marks WHERE user_id = " + std::to_string(own_keys[shard]));
  if (promise != Books::Promise::kDone) saw(read_errors, client.last().sqlstate);
}

void KillTest::SetUpTestSuite() {
  load_ = std::make_unique<Load>();
  testing::HowdahOptions options;
  options.tables = "marks: { hash: user_id }\nlate: { hash: user_id }\nnotes: { local: s0 }";
  options.database_extra = "failover_wait: 1s";
  load_->world = std::make_unique<World>(testing::PgCluster::Options{.shards = 2, .replicas = 1}, options);
  world().must("CREATE TABLE marks (user_id bigint, number bigint)");
  world().must(
      "CREATE TABLE late (user_id bigint, number int, UNIQUE (user_id, number) DEFERRABLE INITIALLY "
      "DEFERRED)");
  world().must("CREATE TABLE notes (id int, body text)");
  for (int shard = 0; shard < 2; ++shard) {
    const auto keys = world().keys_on(shard, 2);
    load_->keys[shard] = keys[0];
    load_->own_keys[shard] = keys[1];
    for (int i = 0; i < 2; ++i) {
      load_->crew.add([shard, client = std::make_shared<AppClient>([] { return world().url(); })](
                          const auto&) { load_->write(*client, shard); });
    }
    load_->crew.add([shard, client = std::make_shared<AppClient>([] { return world().url(); })](const auto&) {
      load_->read(*client, shard);
    });
  }
}

void KillTest::TearDownTestSuite() {
  load_->crew.stop();
  EXPECT_EQ(load_->unusable, 0) << "connections that ROLLBACK did not bring back";
  EXPECT_TRUE(world().nothing_open());
  for (int shard = 0; shard < 2; ++shard) {
    std::set<long> present;
    for (const auto& row : world().cluster().primary(shard).superuser().must("SELECT number FROM marks").rows)
      present.insert(std::stol(*row[0]));
    load_->books[shard].expect_kept(present, "shard " + std::to_string(shard));
  }
  load_.reset();
}

void KillTest::TearDown() {
  for (int shard = 0; shard < 2; ++shard) expect_progress(shard);
}

void KillTest::expect_progress(int shard) {
  const auto& books = load_->books[shard];
  const auto before = books.done_count();
  EXPECT_TRUE(testing::wait_until([&] { return books.done_count() >= before + 5; }, std::chrono::seconds(15)))
      << "writers of shard " << shard << " stand still\n"
      << world().proxy().log();
}

std::string KillTest::insert(int shard, long number) {
  return "INSERT INTO marks VALUES (" + key(shard) + ", " + std::to_string(number) + ")";
}

std::string KillTest::count(int shard, long number) {
  return "SELECT count(*) FROM marks WHERE user_id = " + key(shard) +
         " AND number = " + std::to_string(number);
}

pid_t KillTest::backend(int shard, const std::string& text, const std::string& state) {
  std::string pid;
  testing::await("a backend with " + text, [&] {
    pid = world().cluster().primary(shard).superuser().scalar(
        "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = '" + state +
        "' AND usename = 'app' AND strpos(query, '" + text + "') > 0");
    return !pid.empty();
  });
  return static_cast<pid_t>(std::stol(pid));
}

}  // namespace howdah::faults
