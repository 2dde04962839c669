#include "tests/parity/report.h"

#include <algorithm>
#include <stdexcept>

namespace howdah::parity {
namespace {

constexpr const char* kBegin = "<!-- parity: begin -->\n";
constexpr const char* kEnd = "<!-- parity: end -->\n";

std::string most_frequent(const Tally& tally) {
  const auto most = std::max_element(tally.reasons.begin(), tally.reasons.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == tally.reasons.end()) return "";
  std::string out;
  for (const char c : most->first) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string share(int part, int whole) {
  if (whole == 0) return "0 %";
  const int tenths = (part * 1000 + whole / 2) / whole;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

std::string line(const std::string& name, const Tally& tally, const std::string& reason) {
  return "| " + name + " | " + std::to_string(tally.statements) + " | " + std::to_string(tally.exact) + " | " +
         std::to_string(tally.refused) + " | " + reason + " |\n";
}

}  // namespace

void Report::add(const Case& one, const Verdict& verdict) {
  auto at = std::find_if(shapes_.begin(), shapes_.end(), [&](const auto& shape) { return shape.first == one.shape; });
  if (at == shapes_.end()) at = shapes_.insert(shapes_.end(), {one.shape, Tally()});
  auto& tally = at->second;
  ++tally.statements;
  tally.legal += verdict.legal;
  tally.exact += verdict.kind == Verdict::Kind::kExact;
  tally.wrong += verdict.kind == Verdict::Kind::kWrong;
  if (verdict.kind != Verdict::Kind::kRefused) return;
  ++tally.refused;
  tally.legal_refused += verdict.legal;
  ++tally.reasons[verdict.why];
}

Tally Report::sum() const {
  Tally out;
  for (const auto& [name, tally] : shapes_) {
    out.statements += tally.statements;
    out.exact += tally.exact;
    out.refused += tally.refused;
    out.wrong += tally.wrong;
    out.legal += tally.legal;
    out.legal_refused += tally.legal_refused;
  }
  return out;
}

std::string Report::table() const {
  std::string out = "| shape | statements | exact | refused | most frequent reason |\n|---|---|---|---|---|\n";
  for (const auto& [name, tally] : shapes_) out += line(name, tally, most_frequent(tally));
  const auto all = sum();
  return out + line("**all**", all, share(all.legal_refused, all.legal) + " of the " + std::to_string(all.legal) + " that PostgreSQL takes are refused");
}

std::string with_table(const std::string& page, const std::string& table) {
  const auto begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    throw std::runtime_error("the page has no place for the table");
  return page.substr(0, begin) + kBegin + table + page.substr(end);
}

}  // namespace howdah::parity
