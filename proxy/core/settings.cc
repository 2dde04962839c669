#include "proxy/core/settings.h"

#include <algorithm>

namespace howdah::proxy {

namespace {

bool is_identity(std::string_view name) { return name == "role" || name == "session_authorization"; }

// Identity last, and the role after the authorization that it is checked against.
bool before(std::string_view a, std::string_view b) {
  const auto rank = [](std::string_view name) { return name == "role" ? 2 : name == "session_authorization" ? 1 : 0; };
  return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
}

}  // namespace

const SettingsPtr& Settings::none() {
  static const SettingsPtr empty = std::make_shared<const Settings>();
  return empty;
}

const Settings::Entry* Settings::find(std::string_view name) const {
  for (const auto& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

SettingsPtr Settings::with(std::string name, std::string statement, std::string value) const {
  auto copy = std::make_shared<Settings>(*this);
  auto at = std::lower_bound(copy->entries_.begin(), copy->entries_.end(), name,
                             [](const Entry& entry, const std::string& key) { return before(entry.name, key); });
  if (at != copy->entries_.end() && at->name == name) {
    at->statement = std::move(statement);
    at->value = std::move(value);
  } else {
    copy->entries_.insert(at, Entry{std::move(name), std::move(statement), std::move(value)});
  }
  return copy;
}

SettingsPtr Settings::without(std::string_view name) const {
  auto copy = std::make_shared<Settings>(*this);
  std::erase_if(copy->entries_, [&](const Entry& entry) { return entry.name == name; });
  if (copy->entries_.empty()) return none();
  return copy;
}

std::string Settings::transition_from(const Settings& from) const {
  std::string sql;
  const bool identity_changes = std::any_of(from.entries_.begin(), from.entries_.end(), [&](const Entry& entry) {
    const Entry* wanted = find(entry.name);
    return is_identity(entry.name) && (wanted == nullptr || !(*wanted == entry));
  });
  // Back to the login role first: parameters may need its rights.
  if (identity_changes) sql += "RESET ROLE;RESET SESSION AUTHORIZATION;";
  for (const auto& entry : from.entries_) {
    if (!is_identity(entry.name) && find(entry.name) == nullptr) sql += "RESET " + quote_identifier(entry.name) + ";";
  }
  for (const auto& entry : entries_) {
    const Entry* there = from.find(entry.name);
    const bool lost = identity_changes && is_identity(entry.name);
    if (there == nullptr || !(*there == entry) || lost) sql += entry.statement + "\n;";  // a newline ends a comment at its end
  }
  return sql;
}

SettingsPtr apply(const SettingsPtr& state, const SettingsPtr& base, const sharding::sql::SetCommand& command,
                  std::string_view statement) {
  using Kind = sharding::sql::SetCommand::Kind;
  if (command.local) return state;
  switch (command.kind) {
    case Kind::kResetAll: {
      // RESET ALL leaves role and session_authorization alone.
      SettingsPtr result = base;
      for (const auto* name : {"session_authorization", "role"}) {
        const auto* entry = state->find(name);
        if (entry != nullptr) result = result->with(entry->name, entry->statement, entry->value);
      }
      return result;
    }
    case Kind::kDefault:
    case Kind::kReset: {
      const auto* initial = base->find(command.name);
      if (initial != nullptr) return state->with(initial->name, initial->statement, initial->value);
      return state->find(command.name) == nullptr ? state : state->without(command.name);
    }
    case Kind::kSet:
    case Kind::kRole:
    case Kind::kSessionAuthorization:
    case Kind::kTimeZone:
    case Kind::kCharacteristics:
      return state->with(command.name, std::string(statement), command.value);
  }
  return state;
}

std::string quote_literal(std::string_view text) {
  std::string out;
  const bool escapes = text.find('\\') != std::string_view::npos;
  out.reserve(text.size() + 4);
  if (escapes) out += " E";
  out += '\'';
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  out += '\'';
  return out;
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += c;
    out += c;
  }
  out += '"';
  return out;
}

std::string startup_statement(std::string_view name, std::string_view value) {
  // set_config reads list parameters from one string, as the startup packet does; SET would take it as one item.
  return "SELECT pg_catalog.set_config(" + quote_literal(name) + "," + quote_literal(value) + ",false)";
}

}  // namespace howdah::proxy
