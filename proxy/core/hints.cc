#include "proxy/core/hints.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

#include "proxy/config/values.h"
#include "sharding/sql/scan.h"

namespace howdah::proxy {

namespace sql = sharding::sql;

namespace {

constexpr std::array<std::string_view, 7> kNames = {"howdah.sharding_key", "howdah.shard", "howdah.role", "howdah.scatter", "howdah.consistency",
                                                    "howdah.multi_shard_isolation", "howdah.uniqueness"};
const std::vector<std::string> kRoles = {"any", "primary", "replica"};
const std::vector<std::string> kConsistencies = {"session", "eventual", "strong"};
const std::vector<std::string> kIsolations = {"strict", "relaxed"};
const std::vector<std::string> kUniques = {"everywhere", "per_shard"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = sql::lower_ascii(c);
  return out;
}

Error unknown(std::string_view name) {
  std::vector<std::string> known(kNames.begin(), kNames.end());
  known.emplace_back("howdah.route");
  known.emplace_back("howdah.token");
  const std::string near = config::nearest(name, known);
  return make_error(ErrorCode::kUndefinedSetting, "unrecognized configuration parameter \"" + std::string(name) + "\"",
                    near.empty() ? "Known are howdah.sharding_key, howdah.shard, howdah.role, howdah.scatter, howdah.consistency, howdah.multi_shard_isolation, howdah.uniqueness, howdah.token, and for SHOW howdah.route."
                                 : "Perhaps you meant \"" + near + "\".");
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

Error invalid(std::string_view name, std::string_view value, std::string hint) {
  return make_error(ErrorCode::kInvalidValue, "invalid value for parameter \"" + std::string(name) + "\": \"" + std::string(value) + "\"",
                    std::move(hint));
}

// The place of `value` among the words of an enumeration.
template <class Enum>
std::optional<Error> set_word(Enum& out, std::string_view name, std::optional<std::string_view> value, const std::vector<std::string>& words) {
  if (!value) {
    out = Enum{};
    return std::nullopt;
  }
  const auto at = std::find(words.begin(), words.end(), lower(*value));
  if (at == words.end()) return invalid(name, *value, "Available values: " + joined(words) + ".");
  out = static_cast<Enum>(at - words.begin());
  return std::nullopt;
}

// As PostgreSQL reads a boolean parameter. https://www.postgresql.org/docs/15/config-setting.html
std::optional<bool> boolean(std::string_view text) {
  const std::string word = lower(text);
  const auto begins = [&word](std::string_view whole, std::size_t least) {
    return word.size() >= least && whole.starts_with(word);
  };
  if (begins("true", 1) || begins("yes", 1) || word == "on" || word == "1") return true;
  if (begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0") return false;
  return std::nullopt;
}

Error malformed(std::string_view comment) {
  return make_error(ErrorCode::kInvalidValue, "malformed hint \"" + std::string(comment) + "\"",
                    "Write /* howdah.name = value */, several apart by commas; values are words, numbers or 'strings'.");
}

}  // namespace

sharding::ReadFrom Hints::read_from() const {
  using sharding::ReadFrom;
  if (role == Role::kPrimary || consistency == Consistency::kStrong) return ReadFrom::kPrimary;
  const bool eventual = consistency == Consistency::kEventual;
  if (role == Role::kReplica) return eventual ? ReadFrom::kEventualReplica : ReadFrom::kReplica;
  return eventual ? ReadFrom::kEventual : ReadFrom::kDefault;
}

std::optional<Error> set_hint(Hints& hints, std::string_view name, std::optional<std::string_view> value, const HintDomain& domain) {
  if (name == "howdah.sharding_key") {
    hints.sharding_key = value ? std::optional<std::string>(*value) : std::nullopt;
    return std::nullopt;
  }
  if (name == "howdah.shard") {
    if (value && std::find(domain.shards.begin(), domain.shards.end(), *value) == domain.shards.end()) {
      return invalid(name, *value, "Available values: " + joined(domain.shards) + ".");
    }
    hints.shard = value.value_or("");
    return std::nullopt;
  }
  if (name == "howdah.role") return set_word(hints.role, name, value, kRoles);
  if (name == "howdah.consistency") return set_word(hints.consistency, name, value, kConsistencies);
  if (name == "howdah.multi_shard_isolation") return set_word(hints.multi_shard_isolation, name, value, kIsolations);
  if (name == "howdah.uniqueness") return set_word(hints.unique, name, value, kUniques);
  if (name == "howdah.scatter") {
    const auto on = value ? boolean(*value) : true;
    if (!on) return make_error(ErrorCode::kInvalidValue, "parameter \"howdah.scatter\" requires a Boolean value");
    hints.scatter = *on;
    return std::nullopt;
  }
  if (name == "howdah.route") return make_error(ErrorCode::kInvalidValue, "parameter \"howdah.route\" cannot be changed", "SHOW howdah.route reads it.");
  return unknown(name);
}

Result<std::string> show_hint(const Hints& hints, std::string_view name) {
  if (name == "howdah.sharding_key") return hints.sharding_key.value_or("");
  if (name == "howdah.shard") return hints.shard;
  if (name == "howdah.role") return kRoles[static_cast<std::size_t>(hints.role)];
  if (name == "howdah.consistency") return kConsistencies[static_cast<std::size_t>(hints.consistency)];
  if (name == "howdah.multi_shard_isolation") return kIsolations[static_cast<std::size_t>(hints.multi_shard_isolation)];
  if (name == "howdah.uniqueness") return kUniques[static_cast<std::size_t>(hints.unique)];
  if (name == "howdah.scatter") return std::string(hints.scatter ? "on" : "off");
  return unknown(name);
}

std::optional<Error> read_hint_comment(std::string_view comment, Hints& hints, const HintDomain& domain) {
  const sql::LexerOptions options;
  sql::Scanner scanner(comment, options);
  const auto text = [comment](const sql::Token& token) { return comment.substr(token.begin, token.end - token.begin); };
  sql::Token token = scanner.next();
  const sql::Token after = sql::Scanner(scanner).next();
  // Other comments may begin with the same word.
  if (lower(text(token)) != "howdah" || text(after) != ".") return std::nullopt;
  for (;;) {
    if (lower(text(token)) != "howdah" || text(scanner.next()) != ".") return malformed(comment);
    const std::string name = "howdah." + lower(text(scanner.next()));
    const sql::Token sign = scanner.next();
    if (text(sign) != "=" && text(sign) != ":") return malformed(comment);
    token = scanner.next();
    std::string value;
    if (text(token) == "-") {
      value = "-";
      token = scanner.next();
    }
    if (token.kind == sql::TokenKind::kLiteral) {
      const sql::Slot slot{token.begin, token.end - token.begin, token.literal, token.plain, false, 1};
      if (!sql::literal_value(comment, slot, options, value)) return malformed(comment);
    } else if (token.kind == sql::TokenKind::kWord) {
      value += text(token);
    } else {
      return malformed(comment);
    }
    if (name == "howdah.multi_shard_isolation" || name == "howdah.token") {
      return make_error(ErrorCode::kInvalidValue, "parameter \"" + name + "\" cannot be set by a comment", "SET it: it is about more than this statement.");
    }
    if (auto error = set_hint(hints, name, std::string_view(value), domain)) return error;
    token = scanner.next();
    if (token.kind == sql::TokenKind::kEnd) return std::nullopt;
    if (text(token) != ",") return malformed(comment);
    token = scanner.next();
  }
}

std::vector<std::pair<std::string, std::string>> hint_values(const Hints& hints) {
  std::vector<std::pair<std::string, std::string>> out;
  const Hints none;
  for (const auto name : kNames) {
    const std::string value = *show_hint(hints, name);
    // A key may be the empty text.
    const bool key = name == kNames[0] && hints.sharding_key;
    if (key || value != *show_hint(none, name)) out.emplace_back(name, value);
  }
  return out;
}

}  // namespace howdah::proxy
