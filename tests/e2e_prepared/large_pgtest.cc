// Values and rows of hundreds of megabytes pass through a proxy that stays small.
#include <cstdlib>
#include <fstream>

#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah::e2e_prepared {
namespace {

class Large : public PreparedTest {
 protected:
  Large() : PreparedTest((keep_no_freed_memory(), "{ mode: transaction, size: 1 }")) {}

  // AddressSanitizer keeps what was freed for a while, by default up to 256 MiB.
  static void keep_no_freed_memory() {
    const char* given = std::getenv("ASAN_OPTIONS");
    setenv("ASAN_OPTIONS", (std::string(given == nullptr ? "" : given) + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64").c_str(), 1);
  }

  // The most memory that the proxy has ever had resident, in MiB.
  static long most_resident() {
    std::ifstream status("/proc/" + std::to_string(howdah_->pid()) + "/status");
    for (std::string word; status >> word;) {
      long kib = 0;
      if (word == "VmHWM:" && status >> kib) return kib / 1024;
    }
    return -1;
  }
};

constexpr std::size_t kBytes = 200u << 20;
constexpr long kMoreMiB = 48;  // buffers of both sides, and the sanitizer's own

TEST_F(Large, BindStreamsInBoundedMemory) {
  auto one = client();
  const std::string value(kBytes, 'x');
  const Script script = Script()
                            .parse("size", "SELECT length($1::text)")
                            .sync()
                            .bind("", "size", {value})
                            .execute()
                            .sync()
                            .bind("", "missing", {value})
                            .sync()
                            .query("SELECT 'still here'");
  const long before = most_resident();
  const auto lines = say(*one, script);
  EXPECT_LT(most_resident() - before, kMoreMiB);
  EXPECT_EQ(lines, (std::vector<std::string>{"1 ", "ReadyForQuery I", "2 ", "DataRow " + std::to_string(kBytes),
                                             "CommandComplete SELECT 1", "ReadyForQuery I",
                                             "Error ERROR 26000 prepared statement \"missing\" does not exist", "ReadyForQuery I",
                                             "RowDescription (?column?0.0 25 -1 -1 0)", "DataRow still here",
                                             "CommandComplete SELECT 1", "ReadyForQuery I"}));
}

TEST_F(Large, DataRowStreamsInBoundedMemory) {
  auto one = client();
  const long before = most_resident();
  one->send(Script().run("SELECT repeat('x', " + std::to_string(kBytes) + ")").sync().steps()[0].bytes);
  std::size_t row = 0;
  for (const auto& message : one->until('Z')) {
    if (message.type == 'D') row = message.body.size();
  }
  EXPECT_EQ(row, kBytes + 2 + 4);
  EXPECT_LT(most_resident() - before, kMoreMiB);
}

// The client goes in the midst of a value: what it began reaches nobody else.
TEST_F(Large, BindOfAClientThatGoesIsForgotten) {
  {
    auto one = client();
    const std::string all = Script().parse("", "SELECT length($1::text)").bind("", "", {std::string(8u << 20, 'x')}).rest();
    one->send(all.substr(0, all.size() / 2));
  }
  auto two = client();
  EXPECT_EQ(say(*two, Script().query("SELECT 'fine'")).at(1), "DataRow fine");
}

}  // namespace
}  // namespace howdah::e2e_prepared
