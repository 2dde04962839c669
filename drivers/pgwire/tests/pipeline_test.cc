#include "drivers/pgwire/pipeline.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace howdah::pgwire {
namespace {

using Machine = Pipeline<int>;  // the owner is a number here

Machine::Entry owed(OwedKind kind, int owner = 1) { return {.kind = kind, .owner = owner}; }

// Plays backend message types against what is owed; answers with "<type><owner>" for each that ends an entry, "x<owner>"
// for each that is skipped, and "!" where the machine has lost its place.
std::string play(Machine& machine, const std::string& types) {
  std::string out;
  for (const char type : types) {
    switch (machine.classify(type)) {
      case Verdict::kContinues:
      case Verdict::kAsync:
        break;
      case Verdict::kCompletes:
      case Verdict::kReady:
        out += type + std::to_string(machine.head().owner);
        machine.pop();
        break;
      case Verdict::kError:
        out += "E" + std::to_string(machine.head().owner);
        machine.fail([&](const Machine::Entry& entry, bool failed) {
          if (!failed) out += "x" + std::to_string(entry.owner);
        });
        break;
      case Verdict::kStray:
        if (type == 'I') machine.head().kind = OwedKind::kQuery;
        out += "s";
        break;
      case Verdict::kUnexpected:
        return out + "!";
    }
  }
  return out;
}

TEST(Pipeline, GivesEachReplyToTheOwnerOfTheHead) {
  Machine machine;
  for (const int owner : {1, 2, 3}) {
    machine.push(owed(OwedKind::kBind, owner));
    machine.push(owed(OwedKind::kDescribePortal, owner));
    machine.push(owed(OwedKind::kExecute, owner));
    machine.push(owed(OwedKind::kSync, owner));
  }
  EXPECT_EQ(play(machine, "2TDDCZ2nCZ2TsZ"), "21T1C1Z122n2C2Z223T3s3Z3");
  EXPECT_TRUE(machine.empty());
}

TEST(Pipeline, AnswersAWholeQueryWithOneReady) {
  Machine machine;
  machine.push(owed(OwedKind::kQuery));
  EXPECT_EQ(play(machine, "TDDCTDCEZ"), "E1Z1");
}

TEST(Pipeline, SkipsToSyncAfterAnError) {
  Machine machine;
  machine.push(owed(OwedKind::kParse, 1));
  machine.push(owed(OwedKind::kBind, 2));
  machine.push(owed(OwedKind::kExecute, 3));
  machine.push(owed(OwedKind::kSync, 4));
  machine.push(owed(OwedKind::kParse, 5));
  EXPECT_EQ(play(machine, "1EZ1"), "11E2x3Z415");
  EXPECT_TRUE(machine.empty());
}

TEST(Pipeline, KeepsASyncWhoseCommitFails) {
  Machine machine;
  machine.push(owed(OwedKind::kSync, 7));
  EXPECT_EQ(play(machine, "EZ"), "E7Z7");
}

TEST(Pipeline, CountsAnswersToSyncsOfUnknownFateUpToAnEmptyQuery) {
  Machine machine;
  machine.push(owed(OwedKind::kResync));
  EXPECT_EQ(play(machine, "ZNZZIZ"), "ssssZ1");
  EXPECT_TRUE(machine.empty());
  machine.push(owed(OwedKind::kResync));
  EXPECT_EQ(play(machine, "C"), "!");
}

TEST(Pipeline, TakesAsynchronousMessagesAtAnyTime) {
  Machine machine;
  EXPECT_EQ(play(machine, "NSA"), "");
  machine.push(owed(OwedKind::kDescribeStatement));
  EXPECT_EQ(play(machine, "NtSAT"), "T1");
}

TEST(Pipeline, RefusesWhatNobodyAskedFor) {
  for (const auto kind : {OwedKind::kParse, OwedKind::kBind, OwedKind::kClose, OwedKind::kDescribeStatement,
                          OwedKind::kDescribePortal, OwedKind::kExecute, OwedKind::kSync, OwedKind::kFunctionCall}) {
    std::string expected;
    switch (kind) {
      case OwedKind::kParse: expected = "1"; break;
      case OwedKind::kBind: expected = "2"; break;
      case OwedKind::kClose: expected = "3"; break;
      case OwedKind::kDescribeStatement: expected = "tTn"; break;
      case OwedKind::kDescribePortal: expected = "Tn"; break;
      case OwedKind::kExecute: expected = "CIsDGHWdcT"; break;
      case OwedKind::kSync: expected = "Z"; break;
      default: expected = "VZ"; break;
    }
    for (const char type : std::string("123tTnCIsDGHWdcVZK")) {
      Machine machine;
      machine.push(owed(kind));
      const bool refused = machine.classify(type) == Verdict::kUnexpected;
      EXPECT_EQ(refused, expected.find(type) == std::string::npos) << static_cast<int>(kind) << " " << type;
    }
  }
  Machine idle;
  for (const char type : std::string("123tTnCIsDZE")) EXPECT_EQ(idle.classify(type), Verdict::kUnexpected) << type;
}

TEST(Pipeline, KeepsOrderWhileItGrows) {
  Machine machine;
  int next_in = 0, next_out = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 7; ++i) machine.push(owed(OwedKind::kBind, next_in++));
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(machine.head().owner, next_out++);
      machine.pop();
    }
  }
  EXPECT_EQ(machine.size(), 200u);
}

}  // namespace
}  // namespace howdah::pgwire
