// Runs cases on both sides and says what came of each.
#pragma once

#include <string>

#include "tests/parity/corpus.h"
#include "tests/parity/world.h"

namespace howdah::parity {

struct Verdict {
  enum class Kind { kExact, kRefused, kWrong };
  Kind kind = Kind::kExact;
  bool legal = true;   // PostgreSQL takes it
  std::string why;     // of a refusal: the reason; of a wrong answer: what differs
};

class Judge {
 public:
  explicit Judge(World& world);
  // In each mode, with each row of parameters; the worst of them.
  Verdict judge(const Case& one);
  // In one mode; a write in a transaction that is rolled back.
  Verdict judge_once(const Step& step, bool writes, Mode mode);

 private:
  Verdict judge_in(const Case& one, Mode mode);
  Verdict read(const Step& step, Mode mode);
  Verdict execute(const Step& step, const Row& values, Mode mode);
  Verdict write(const Step& step, const Row& values, Mode mode);
  Verdict in_transaction(const Step& step, const Row& values, Mode mode);
  std::string same_sight(const std::string& statement);
  void end_transactions();
  void reconnect();

  World& world_;
  Conn howdah_, twin_;
};

}  // namespace howdah::parity
