#include "tests/parity/judge.h"

namespace howdah::parity {
namespace {

using Kind = Verdict::Kind;

constexpr const char* kTables[] = {"users", "accounts", "transactions", "events", "archive.accounts", "\"Order Lines\"", "categories", "settings"};

// Without the names of tables behind a colon.
std::string reason(const Answer& refusal) {
  const auto& text = refusal.detail.empty() ? refusal.message : refusal.detail;
  auto out = text.substr(0, text.find(": "));
  if (out.ends_with('.')) out.pop_back();
  return out;
}

bool worse(const Verdict& a, const Verdict& b) { return static_cast<int>(a.kind) > static_cast<int>(b.kind); }

const std::string& state_of(const std::vector<Answer>& answers) {
  static const std::string kNone;
  return answers.empty() ? kNone : answers.back().sqlstate;
}

}  // namespace

Judge::Judge(World& world) : world_(world), howdah_(world.connect_howdah()), twin_(world.connect_twin()) {}

void Judge::reconnect() {
  howdah_ = world_.connect_howdah();
  twin_ = world_.connect_twin();
}

void Judge::end_transactions() {
  for (PGconn* conn : {howdah_.get(), twin_.get()}) {
    if (PQtransactionStatus(conn) != PQTRANS_IDLE) run(conn, "ROLLBACK", Mode::kSimple);
  }
  if (PQstatus(howdah_.get()) != CONNECTION_OK || PQtransactionStatus(howdah_.get()) != PQTRANS_IDLE) reconnect();
}

Verdict Judge::execute(const Step& step, const Row& values, Mode mode) {
  const auto theirs = run(twin_.get(), step.sql, mode, values, step.copy_data);
  const auto ours = run(howdah_.get(), step.sql, mode, values, step.copy_data);
  Verdict out;
  out.legal = state_of(theirs).empty();
  if (state_of(ours) == "0A000" && state_of(theirs) != "0A000") {
    return {Kind::kRefused, out.legal, reason(ours.back())};
  }
  out.why = difference(ours, theirs, step.order);
  if (out.why.empty() && PQtransactionStatus(howdah_.get()) != PQtransactionStatus(twin_.get()))
    out.why = "the transaction is in another state afterwards";
  if (!out.why.empty()) out = {Kind::kWrong, out.legal, std::string(name_of(mode)) + ": " + out.why};
  return out;
}

Verdict Judge::read(const Step& step, Mode mode) {
  Verdict worst;
  const auto rows = step.values.empty() ? std::vector<Row>{Row()} : step.values;
  for (const auto& values : rows) {
    const auto verdict = execute(step, values, mode);
    if (&values == &rows.front() || worse(verdict, worst)) worst = verdict;
  }
  return worst;
}

// What both sides see of the tables that the statement names, by their own connections.
std::string Judge::same_sight(const std::string& statement) {
  for (const char* table : kTables) {
    if (statement.find(table) == std::string::npos) continue;
    const auto sql = std::string("SELECT * FROM ") + table;
    const auto text = difference(run(howdah_.get(), sql, Mode::kSimple), run(twin_.get(), sql, Mode::kSimple), Order());
    if (!text.empty()) return "then " + sql + ": " + text;
  }
  return "";
}

Verdict Judge::in_transaction(const Step& step, const Row& values, Mode mode) {
  for (PGconn* conn : {howdah_.get(), twin_.get()}) run(conn, "BEGIN", Mode::kSimple);
  auto verdict = execute(step, values, mode);
  if (verdict.kind == Kind::kExact && PQtransactionStatus(twin_.get()) == PQTRANS_INTRANS) {
    if (auto text = same_sight(step.sql); !text.empty())
      verdict = {Kind::kWrong, true, std::string(name_of(mode)) + ", in a transaction: " + text};
  }
  end_transactions();
  return verdict;
}

Verdict Judge::write(const Step& step, const Row& values, Mode mode) {
  auto verdict = in_transaction(step, values, mode);
  // By itself in one mode only: what is left to differ is how it is committed.
  if (verdict.kind != Kind::kExact || mode == Mode::kBinary) return verdict;
  verdict = execute(step, values, mode);
  if (verdict.kind != Kind::kWrong) {
    if (auto text = world_.differences(); !text.empty() && verdict.kind == Kind::kExact)
      verdict = {Kind::kWrong, verdict.legal, std::string(name_of(mode)) + ", afterwards: " + text};
  }
  end_transactions();
  world_.restore();
  return verdict;
}

Verdict Judge::judge_in(const Case& one, Mode mode) {
  if (!one.block && !one.string && !one.writes) return read(one.steps.front(), mode);
  if (!one.block && !one.string) {
    const auto& step = one.steps.front();
    Verdict worst;
    for (const auto& values : step.values.empty() ? std::vector<Row>{Row()} : step.values) {
      const auto verdict = write(step, values, mode);
      if (!verdict.legal) worst.legal = false;
      if (worse(verdict, worst)) worst = verdict;
    }
    return worst;
  }
  Verdict verdict;
  for (const auto& step : one.steps) {
    const bool legal = verdict.legal;
    verdict = read(step, mode);
    verdict.legal = verdict.legal && legal;
    if (verdict.kind == Kind::kWrong) verdict.why += " (" + step.sql + ")";
    if (verdict.kind != Kind::kExact) break;
  }
  end_transactions();
  if (one.writes) {
    if (auto text = world_.differences(); !text.empty() && verdict.kind == Kind::kExact)
      verdict = {Kind::kWrong, verdict.legal, std::string(name_of(mode)) + ", afterwards: " + text};
    world_.restore();
  }
  return verdict;
}

Verdict Judge::judge_once(const Step& step, bool writes, Mode mode) {
  const Row values = step.values.empty() ? Row() : step.values.front();
  if (writes) return in_transaction(step, values, mode);
  auto verdict = execute(step, values, mode);
  end_transactions();
  return verdict;
}

Verdict Judge::judge(const Case& one) {
  Verdict worst;
  for (const Mode mode : kModes) {
    if (one.string && mode != Mode::kSimple) continue;
    const auto verdict = judge_in(one, mode);
    if (mode == Mode::kSimple || worse(verdict, worst)) worst = verdict;
  }
  if (one.block) reconnect();
  return worst;
}

}  // namespace howdah::parity
