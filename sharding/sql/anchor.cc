#include "sharding/sql/anchor.h"

#include <algorithm>

#include "sharding/sql/constants.h"

namespace howdah::sharding::sql {

namespace {

constexpr std::uint32_t kAnyValue = 0xffffffff;

KeySource any_value() {
  KeySource source;
  source.kind = KeySource::Kind::kParam;
  source.index = kAnyValue;
  return source;
}

}  // namespace

bool is_any_value(const ValueSet* values) {
  return values != nullptr && values->any_of.size() == 1 && values->any_of[0] == any_value();
}

bool anchors(const Facts& facts, const Findings& findings, const TableUse& anchor, Facts& solved) {
  return anchors(facts, findings, anchor, 0, findings.tables.size(), solved);
}

bool anchors(const Facts& facts, const Findings& findings, const TableUse& anchor, std::size_t first, std::size_t end, Facts& solved) {
  solved = facts.without_pins();
  solved.pin(anchor.key_term, ValueSet{*key_family(anchor.key->type), anchor.key->type, {any_value()}});
  solved.solve();
  const auto begin = findings.tables.begin();
  return std::all_of(begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(end), [&](const TableUse& use) {
    return use.rule->kind != TableRuleKind::kHash || use.only_inserted || is_any_value(solved.values(use.key_term));
  });
}

}  // namespace howdah::sharding::sql
