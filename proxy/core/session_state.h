// What a client has between two transactions, as bytes: how a session moves from one process to another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "proxy/core/settings.h"

namespace howdah::proxy {

// Only what the client can tell: plans, caches and server connections are made anew. A field that one version knows
// and another does not changes kSessionStateVersion: sessions then stay where they are.
inline constexpr std::uint32_t kSessionStateVersion = 5;

struct SessionState {
  struct Prepared {
    std::string name, text;
    std::vector<Oid> types;
    std::string sql_tail;  // by PREPARE in SQL: what follows the name
    bool operator==(const Prepared&) const = default;
  };
  std::string user, database, peer;
  std::int32_t pid = 0;
  std::string secret;                      // of BackendKeyData
  std::int64_t connected_us_ago = 0;
  std::string default_search_path;         // of the login role
  std::string scram_keys;                  // that a client of this user proved to know: they log in to servers
  std::vector<Settings::Entry> settings;
  std::vector<Settings::Entry> base_settings;
  std::vector<std::pair<std::string, std::string>> hints;        // howdah.* parameters by SET
  std::vector<std::pair<std::string, std::string>> login_hints;
  std::vector<Prepared> prepared;
  std::optional<Prepared> unnamed;
  std::vector<std::pair<std::string, std::string>> reported;  // ParameterStatus values that it has heard
  std::string input;                       // read from the client, not handled yet: less than one message
  bool operator==(const SessionState&) const = default;
};

std::string encode(const SessionState& state);
// Nothing for bytes of another version, or that are no state at all.
std::optional<SessionState> decode_session_state(std::string_view bytes);

}  // namespace howdah::proxy
