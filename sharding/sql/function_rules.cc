#include "sharding/sql/function_rules.h"

#include <algorithm>
#include <array>
#include <utility>

namespace howdah::sharding::sql {

namespace {

// https://www.postgresql.org/docs/15/datatype.html#DATATYPE-TABLE
constexpr auto kAliases = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"int", "integer"}, {"int4", "integer"}, {"int8", "bigint"}, {"int2", "smallint"}, {"bool", "boolean"}, {"float4", "real"},
    {"float8", "double precision"}, {"float", "double precision"}, {"decimal", "numeric"}, {"varchar", "character varying"}, {"char", "character"},
    {"bpchar", "character"}, {"timestamp", "timestamp without time zone"}, {"timestamptz", "timestamp with time zone"},
    {"time", "time without time zone"}, {"timetz", "time with time zone"}, {"varbit", "bit varying"},
});

// Its spaces single and none at its ends, outside of quotes in lower case.
std::string type_name(std::string_view written) {
  std::string name;
  bool quoted = false;
  for (const char c : written) {
    if (c == '"') quoted = !quoted;
    const bool space = c == ' ' || c == '\t' || c == '\n';
    if (!quoted && space && (name.empty() || name.back() == ' ')) continue;
    name.push_back(quoted || c < 'A' || c > 'Z' ? c : static_cast<char>(c - 'A' + 'a'));
  }
  if (!name.empty() && name.back() == ' ') name.pop_back();
  const std::size_t bracket = std::min(name.find('['), name.size());
  for (const auto& [alias, shown] : kAliases) {
    if (name.substr(0, bracket) == alias) return std::string(shown) + name.substr(bracket);
  }
  return name;
}

}  // namespace

bool is_shard_local(const Rules& rules, const schema::Function& function) {
  if (rules.shard_local.empty() || function.is_builtin || function.is_aggregate) return false;
  const auto rule = rules.shard_local.find(function.schema + "." + function.name);
  if (rule == rules.shard_local.end()) return false;
  const auto& declared = rule->second;
  if (declared.contains("")) return true;
  return !function.overloads.empty() && std::all_of(function.overloads.begin(), function.overloads.end(),
                                                    [&declared](const std::string& arguments) { return declared.contains(arguments); });
}

std::string argument_list(std::string_view written) {
  if (written.size() >= 2 && written.front() == '(' && written.back() == ')') written = written.substr(1, written.size() - 2);
  std::string out = "(";
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= written.size(); ++i) {
    if (i < written.size() && written[i] == '"') quoted = !quoted;
    if (i < written.size() && (quoted || written[i] != ',')) continue;
    const std::string name = type_name(written.substr(begin, i - begin));
    if (out.size() > 1 || i < written.size() || !name.empty()) out += (out.size() > 1 ? ", " : "") + name;
    begin = i + 1;
  }
  return out + ")";
}

std::vector<std::string> unknown_functions(const Rules& rules, const schema::Catalog& catalog) {
  std::vector<std::string> out;
  for (const auto& [name, declared] : rules.shard_local) {
    const auto dot = name.find('.');
    const schema::Function* function = catalog.function(name.substr(0, dot), name.substr(dot + 1), {});
    for (const auto& arguments : declared) {
      const bool known = function != nullptr && !function->is_builtin && !function->is_aggregate &&
                         (arguments.empty() || std::find(function->overloads.begin(), function->overloads.end(), arguments) != function->overloads.end());
      if (!known) out.push_back(name + arguments);
    }
  }
  return out;
}

}  // namespace howdah::sharding::sql
