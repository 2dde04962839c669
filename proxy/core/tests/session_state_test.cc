#include "proxy/core/session_state.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

SessionState sample() {
  SessionState state;
  state.user = "app";
  state.database = "name with \"quotes\"";
  state.peer = "127.0.0.1:5000";
  state.pid = 0x3f000001;
  state.secret = std::string("\0\1\xff\2", 4);
  state.connected_us_ago = 86'400'000'000'000;
  state.default_search_path = "\"$user\", public";
  state.scram_keys = std::string(70, '\0');
  state.settings = {{"datestyle", "SET DateStyle TO 'SQL'", "SQL"}, {"work_mem", "SET work_mem TO 100", "100"}};
  state.base_settings = {{"work_mem", "SET work_mem TO 100", "100"}};
  state.prepared = {{"s1", "SELECT $1", {23}}, {"s2", "SELECT $1", {23}, "(int) AS SELECT $1"}, {"", std::string(100'000, 'x'), {}}};
  state.unnamed = SessionState::Prepared{"", "SELECT 2", {}};
  state.hints = {{"howdah.scatter", "off"}, {"howdah.sharding_key", ""}};
  state.login_hints = {{"howdah.role", "primary"}};
  state.input = std::string("Q\0\0", 3);
  return state;
}

TEST(SessionState, ComesBackAsItWas) {
  EXPECT_EQ(decode_session_state(encode(sample())), sample());
  EXPECT_EQ(decode_session_state(encode(SessionState())), SessionState());
}

// Of a process that died while it wrote, or of another version.
TEST(SessionState, IsNothingWhenCutOrLongerAnywhere) {
  SessionState state = sample();
  state.prepared.pop_back();
  const std::string bytes = encode(state);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_session_state(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_session_state(bytes + "x"));
  std::string other_version = bytes;
  other_version[3] = static_cast<char>(other_version[3] + 1);
  EXPECT_FALSE(decode_session_state(other_version));
}

TEST(SessionState, SurvivesAnyDamage) {
  const std::string bytes = encode(sample()).substr(0, 300);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = '\xff';
    decode_session_state(damaged);  // must neither crash nor take gigabytes
  }
}

}  // namespace
}  // namespace howdah::proxy
