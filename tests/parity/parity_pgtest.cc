// Every statement of tests/parity/corpus through Howdah and on the twin: the same answer, or a refusal.
//
// HOWDAH_PARITY_ONLY=TEXT runs only cases whose file, shape or statement has the text. HOWDAH_PARITY_WRITE=1 writes the
// table of docs/SQL_SUPPORT.md instead of checking it. HOWDAH_PARITY_SHOW=1 prints every refusal.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "tests/parity/report.h"
#include "tests/support/files.h"

namespace howdah::parity {
namespace {

constexpr const char* kPage = "docs/SQL_SUPPORT.md";

bool chosen(const Case& one, const char* only) {
  if (only == nullptr || one.place.find(only) != std::string::npos || one.shape.find(only) != std::string::npos) return true;
  for (const auto& step : one.steps) {
    if (step.sql.find(only) != std::string::npos) return true;
  }
  return false;
}

void judge_fault(const Case& one, const Verdict& verdict) {
  if (verdict.kind == Verdict::Kind::kWrong) {
    std::cout << "KNOWN FAULT " << one.place << ": " << one.fault << "\n  " << verdict.why << "\n";
  } else {
    ADD_FAILURE() << one.place << ": no longer wrong, take off its mark: " << one.fault;
  }
}

TEST(Parity, AnswersAsPostgresqlDoesOrRefuses) {
  const char* only = std::getenv("HOWDAH_PARITY_ONLY");
  const bool show = std::getenv("HOWDAH_PARITY_SHOW") != nullptr;
  World world;
  ASSERT_EQ(world.differences(), "");
  Judge judge(world);
  Report report;
  for (const auto& one : read_corpora("tests/parity/corpus")) {
    if (!chosen(one, only)) continue;
    const auto begin = std::chrono::steady_clock::now();
    const auto verdict = judge.judge(one);
    if (show && std::chrono::steady_clock::now() - begin > std::chrono::seconds(2)) std::cout << "slow: " << one.place << "\n";
    report.add(one, verdict);
    if (!one.fault.empty()) {
      judge_fault(one, verdict);
    } else if (verdict.kind == Verdict::Kind::kWrong) {
      ADD_FAILURE() << "tests/parity/corpus/" << one.place << ": " << one.steps.front().sql << "\n  " << verdict.why;
    } else if (show && verdict.kind == Verdict::Kind::kRefused) {
      std::cout << "refused " << one.place << ": " << one.steps.front().sql << "\n  " << verdict.why << "\n";
    }
  }
  EXPECT_EQ(world.differences(), "") << "a case left something behind";
  const auto sum = report.sum();
  std::cout << report.table() << sum.statements << " statements: " << sum.exact << " exact, " << sum.refused << " refused, "
            << sum.wrong << " wrong\n";
  if (only != nullptr) return;
  const auto page = testing::read_file_or_empty(kPage);
  const auto due = with_table(page, report.table());
  if (std::getenv("HOWDAH_PARITY_WRITE") != nullptr) {
    testing::write_file(kPage, due);
  } else {
    EXPECT_TRUE(page == due) << kPage << " is out of date: run this test with HOWDAH_PARITY_WRITE=1";
  }
}

}  // namespace
}  // namespace howdah::parity
