// "cached plan must not change result type": who prepared after the DDL never hears it; who prepared before hears it
// unless the group says what the columns are, or they are what this client last saw.
#include <algorithm>

#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah::e2e_prepared {
namespace {

class Outdated : public PreparedTest {
 protected:
  Outdated() : PreparedTest("{ mode: transaction, size: 1 }") {
    must("DROP TABLE IF EXISTS wide; CREATE TABLE wide (a int); INSERT INTO wide VALUES (1); GRANT ALL ON wide TO app");
  }
  // Past the proxy, which may not know it yet.
  static void widen() { must("ALTER TABLE wide ADD COLUMN b text DEFAULT 'new'"); }

  const Script prepare = Script().parse("s", "SELECT * FROM wide").describe('S', "s").sync();
  const Script ask = Script().bind("", "s").execute().sync();
  const Script ask_described = Script().bind("", "s").describe('P', "").execute().sync();

  static bool has(const std::vector<std::string>& lines, const std::string& part) {
    return std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return line.find(part) != std::string::npos; });
  }
};

TEST_F(Outdated, IsUnseenByWhoPreparesAfterTheChange) {
  auto early = client();
  say(*early, prepare);
  say(*early, ask);
  widen();
  auto late = client(), straight = direct();
  for (const Script& part : {prepare, ask, ask_described}) {
    EXPECT_EQ(e2e::difference(say(*straight, part), say(*late, part)), "");
  }
}

TEST_F(Outdated, HealsWhenTheGroupDescribes) {
  auto one = client();
  say(*one, prepare);
  widen();
  const auto lines = say(*one, ask_described);
  EXPECT_TRUE(has(lines, "DataRow 1|new")) << ::testing::PrintToString(lines);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), "ReadyForQuery I");
  EXPECT_FALSE(has(lines, "Error"));
  // From now on this is what the client knows.
  EXPECT_TRUE(has(say(*one, ask), "DataRow 1|new"));
}

TEST_F(Outdated, HealsWhenTheGroupFlushesInsteadOfSync) {
  auto one = client();
  say(*one, prepare);
  widen();
  one->send(Script().bind("", "s").describe('P', "").execute().flush().rest());
  const auto lines = e2e::to_lines(one->until('C'));
  EXPECT_TRUE(has(lines, "DataRow 1|new")) << ::testing::PrintToString(lines);
  EXPECT_EQ(say(*one, Script().sync()), std::vector<std::string>{"ReadyForQuery I"});
}

TEST_F(Outdated, IsToldAsPostgresTellsItWhenTheClientKnowsOtherColumns) {
  auto one = client(), straight = direct();
  for (auto* each : {one.get(), straight.get()}) {
    say(*each, prepare);
    say(*each, ask);
  }
  widen();
  EXPECT_EQ(e2e::difference(say(*straight, ask), say(*one, ask)), "");
  // The next Parse finds a statement of its own.
  const Script again = Script().close('S', "s").parse("s", "SELECT * FROM wide").bind("", "s").execute().sync();
  EXPECT_EQ(e2e::difference(say(*straight, again), say(*one, again)), "");
}

TEST_F(Outdated, IsToldInsideATransaction) {
  auto one = client(), straight = direct();
  for (auto* each : {one.get(), straight.get()}) say(*each, prepare);
  widen();
  const Script inside = Script().query("BEGIN").bind("", "s").describe('P', "").execute().sync().query("ROLLBACK");
  EXPECT_EQ(e2e::difference(say(*straight, inside), say(*one, inside)), "");
}

TEST_F(Outdated, IsToldAfterSomethingWasSent) {
  auto one = client(), straight = direct();
  for (auto* each : {one.get(), straight.get()}) say(*each, prepare);
  widen();
  const Script mixed = Script().run("SELECT 'sent'").bind("", "s").describe('P', "").execute().sync();
  EXPECT_EQ(e2e::difference(say(*straight, mixed), say(*one, mixed)), "");
}

TEST_F(Outdated, HealsExecuteInSql) {
  auto early = client();
  say(*early, Script().query("PREPARE s AS SELECT * FROM wide").query("EXECUTE s"));
  widen();
  auto late = client(), straight = direct();
  const Script both = Script().query("PREPARE s AS SELECT * FROM wide").query("EXECUTE s");
  EXPECT_EQ(e2e::difference(say(*straight, both), say(*late, both)), "");
}

}  // namespace
}  // namespace howdah::e2e_prepared
