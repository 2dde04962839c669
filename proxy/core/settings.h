// The session settings (GUCs) that follow a client from server connection to server connection.
// https://www.postgresql.org/docs/15/sql-set.html
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sharding/sql/plan.h"

namespace howdah::proxy {

class Settings;
using SettingsPtr = std::shared_ptr<const Settings>;

// Immutable: the parameters that differ from the server's own defaults, each with the statement that makes it so.
// Replaying the client's own statement text is exact for every value and quoting. Shared by all sessions that set the
// same; compared by pointer first.
class Settings {
 public:
  struct Entry {
    std::string name;       // lower case
    std::string statement;  // e.g. "SET search_path TO a, b"
    std::string value;      // the analyzer's reading of it, for the parameters that the proxy itself looks at
    bool operator==(const Entry&) const = default;
  };

  static const SettingsPtr& none();

  // A copy with one parameter set or removed.
  SettingsPtr with(std::string name, std::string statement, std::string value) const;
  SettingsPtr without(std::string_view name) const;

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(std::string_view name) const;
  bool empty() const { return entries_.empty(); }
  bool same(const Settings& other) const { return this == &other || entries_ == other.entries_; }

  // The statements that turn a server connection in state `from` into this state; empty when none are needed. Those of
  // `lexing` have to be a string of their own, sent first: they decide how the other texts are read.
  struct Transition {
    std::string lexing;
    std::string rest;
  };
  Transition transition_from(const Settings& from) const;

 private:
  std::vector<Entry> entries_;  // sorted by name; role and session_authorization are set last
};

// The state after the SET or RESET `plan` (whose source text is `statement`) succeeded. `base`: what RESET goes back to.
SettingsPtr apply(const SettingsPtr& state, const SettingsPtr& base, const sharding::sql::StatementPlan& plan,
                  std::string_view statement);
// RESET goes back to what the client logged in with, which a server connection does not know.
bool resets_to_login(const Settings& base, const sharding::sql::SetCommand& command);

// A startup parameter as the statement that sets it.
std::string startup_statement(std::string_view name, std::string_view value);
// The same until the end of the transaction.
std::string local_statement(std::string_view name, std::string_view value);
// 'text' with quotes doubled and backslashes made safe, as a literal of PostgreSQL's.
std::string quote_literal(std::string_view text);
std::string quote_identifier(std::string_view name);

}  // namespace howdah::proxy
