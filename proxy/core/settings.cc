#include "proxy/core/settings.h"

#include <algorithm>

namespace howdah::proxy {

namespace {

using sharding::sql::SetCommand;

constexpr std::string_view kEncoding = "client_encoding";
constexpr std::string_view kStrings = "standard_conforming_strings";

bool is_identity(std::string_view name) { return name == "role" || name == "session_authorization"; }

// Identity last, and the role after the authorization that it is checked against.
bool before(std::string_view a, std::string_view b) {
  const auto rank = [](std::string_view name) { return name == "role" ? 2 : name == "session_authorization" ? 1 : 0; };
  return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
}

// TIME ZONE and its like are names as any other; a custom parameter's parts are quoted one by one.
std::string reset_name(std::string_view name) {
  std::string out;
  for (std::size_t at = 0;;) {
    const auto dot = name.find('.', at);
    out += quote_identifier(name.substr(at, dot == std::string_view::npos ? dot : dot - at));
    if (dot == std::string_view::npos) return out;
    out += '.';
    at = dot + 1;
  }
}

// SET SESSION CHARACTERISTICS sets these, which can be set and reset one by one as well.
// https://www.postgresql.org/docs/15/sql-set-transaction.html
SettingsPtr with_characteristics(SettingsPtr state, const sharding::sql::TransactionOptions& modes) {
  using Isolation = sharding::sql::TransactionOptions::Isolation;
  const auto set = [&](const char* name, const char* value) {
    state = state->with(name, std::string("SET ") + name + " TO '" + value + "'", value);
  };
  switch (modes.isolation) {
    case Isolation::kDefault: break;
    case Isolation::kReadUncommitted: set("default_transaction_isolation", "read uncommitted"); break;
    case Isolation::kReadCommitted: set("default_transaction_isolation", "read committed"); break;
    case Isolation::kRepeatableRead: set("default_transaction_isolation", "repeatable read"); break;
    case Isolation::kSerializable: set("default_transaction_isolation", "serializable"); break;
  }
  if (modes.read_only) set("default_transaction_read_only", *modes.read_only ? "on" : "off");
  if (modes.deferrable) set("default_transaction_deferrable", *modes.deferrable ? "on" : "off");
  return state;
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

Settings::Transition Settings::transition_from(const Settings& from) const {
  Transition sql;
  const auto differs = [&](std::string_view name) {
    const Entry* wanted = find(name);
    const Entry* there = from.find(name);
    return wanted == nullptr ? there != nullptr : there == nullptr || !(*there == *wanted);
  };
  // Texts were taken in the client's encoding, and where backslashes mean nothing (see Session::took_set): as such they are
  // read again.
  if (from.find(kStrings) != nullptr) sql.lexing += "SET standard_conforming_strings = on;";
  if (differs(kEncoding)) {
    const Entry* wanted = find(kEncoding);
    sql.lexing += wanted != nullptr ? wanted->statement + "\n;" : "RESET client_encoding;";
  }
  const bool identity_changes = differs("role") || differs("session_authorization");
  // Back to the login role first: parameters may need its rights.
  if (identity_changes && (from.find("role") != nullptr || from.find("session_authorization") != nullptr)) {
    sql.rest += "RESET ROLE;RESET SESSION AUTHORIZATION;";
  }
  for (const auto& entry : from.entries_) {
    if (!is_identity(entry.name) && entry.name != kEncoding && find(entry.name) == nullptr) {
      sql.rest += "RESET " + reset_name(entry.name) + ";";
    }
  }
  for (const auto& entry : entries_) {
    if (entry.name == kEncoding) continue;
    const Entry* there = from.find(entry.name);
    const bool lost = (identity_changes && is_identity(entry.name)) || entry.name == kStrings;
    if (there == nullptr || !(*there == entry) || lost) sql.rest += entry.statement + "\n;";  // a newline ends a comment at its end
  }
  return sql;
}

bool resets_to_login(const Settings& base, const SetCommand& command) {
  if (base.empty()) return false;
  if (command.kind == SetCommand::Kind::kResetAll) return true;
  const bool reset = command.kind == SetCommand::Kind::kReset || command.kind == SetCommand::Kind::kDefault;
  return reset && base.find(command.name) != nullptr;
}

SettingsPtr apply(const SettingsPtr& state, const SettingsPtr& base, const sharding::sql::StatementPlan& plan,
                  std::string_view statement) {
  using Kind = SetCommand::Kind;
  const SetCommand& command = plan.set;
  if (command.local) return state;
  // Another session user acts as itself: SET ROLE is over. https://www.postgresql.org/docs/15/sql-set-session-authorization.html
  SettingsPtr from = state;
  if (command.name == "session_authorization") {
    from = base->find("role") != nullptr ? from->with("role", "SET ROLE NONE", "none") : from->without("role");
  }
  switch (command.kind) {
    case Kind::kResetAll: {
      // RESET ALL leaves role and session_authorization alone.
      SettingsPtr result = base;
      for (const auto* name : {"session_authorization", "role"}) {
        const auto* entry = state->find(name);
        if (entry != nullptr) {
          result = result->with(entry->name, entry->statement, entry->value);
        } else if (base->find(name) != nullptr) {
          result = result->without(name);
        }
      }
      return result;
    }
    case Kind::kDefault:
    case Kind::kReset: {
      const auto* initial = base->find(command.name);
      if (initial != nullptr) return from->with(initial->name, initial->statement, initial->value);
      return from->find(command.name) == nullptr ? from : from->without(command.name);
    }
    case Kind::kCharacteristics:
      return with_characteristics(std::move(from), plan.transaction);
    case Kind::kSet:
    case Kind::kRole:
    case Kind::kSessionAuthorization:
    case Kind::kTimeZone:
      return from->with(command.name, std::string(statement), command.value);
  }
  return from;
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

std::string local_statement(std::string_view name, std::string_view value) {
  return "SELECT pg_catalog.set_config(" + quote_literal(name) + "," + quote_literal(value) + ",true)";
}

}  // namespace howdah::proxy
