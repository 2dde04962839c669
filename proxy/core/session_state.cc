#include "proxy/core/session_state.h"

#include "base/bytes.h"

namespace howdah::proxy {

namespace {

constexpr std::uint32_t kMostItems = 1'000'000;

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void number(std::uint32_t value) { append_be(out_, value); }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }

 private:
  std::string& out_;
};

// Answers zeros and nothing once something was missing; ok() says whether.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  std::uint32_t number() {
    if (in_.size() < 4) {
      ok_ = false;
      return 0;
    }
    const auto value = load_be<std::uint32_t>(in_.data());
    in_.remove_prefix(4);
    return value;
  }
  std::string text() {
    const std::uint32_t size = number();
    if (size > in_.size()) ok_ = false;
    if (!ok_) return {};
    std::string value(in_.substr(0, size));
    in_.remove_prefix(size);
    return value;
  }
  // How many items follow; each takes some bytes.
  std::uint32_t count() {
    const std::uint32_t value = number();
    if (value > kMostItems || value > in_.size()) ok_ = false;
    return ok_ ? value : 0;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && in_.empty(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

void write(Writer& to, const std::vector<Settings::Entry>& entries) {
  to.number(static_cast<std::uint32_t>(entries.size()));
  for (const auto& entry : entries) {
    to.text(entry.name);
    to.text(entry.statement);
    to.text(entry.value);
  }
}

std::vector<Settings::Entry> read_settings(Reader& from) {
  std::vector<Settings::Entry> entries(from.count());
  for (auto& entry : entries) {
    entry.name = from.text();
    entry.statement = from.text();
    entry.value = from.text();
  }
  return entries;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

void write(Writer& to, const Pairs& pairs) {
  to.number(static_cast<std::uint32_t>(pairs.size()));
  for (const auto& [name, value] : pairs) {
    to.text(name);
    to.text(value);
  }
}

Pairs read_pairs(Reader& from) {
  Pairs pairs(from.count());
  for (auto& [name, value] : pairs) {
    name = from.text();
    value = from.text();
  }
  return pairs;
}

void write(Writer& to, const SessionState::Prepared& prepared) {
  to.text(prepared.name);
  to.text(prepared.text);
  to.number(static_cast<std::uint32_t>(prepared.types.size()));
  for (const Oid type : prepared.types) to.number(type);
  to.text(prepared.sql_tail);
}

SessionState::Prepared read_prepared(Reader& from) {
  SessionState::Prepared prepared;
  prepared.name = from.text();
  prepared.text = from.text();
  prepared.types.resize(from.count());
  for (Oid& type : prepared.types) type = from.number();
  prepared.sql_tail = from.text();
  return prepared;
}

}  // namespace

std::string encode(const SessionState& state) {
  std::string out;
  Writer to(out);
  to.number(kSessionStateVersion);
  for (const auto* text : {&state.user, &state.database, &state.peer, &state.secret, &state.default_search_path, &state.scram_keys,
                           &state.input}) {
    to.text(*text);
  }
  to.number(static_cast<std::uint32_t>(state.pid));
  to.number(static_cast<std::uint32_t>(state.connected_us_ago >> 32));
  to.number(static_cast<std::uint32_t>(state.connected_us_ago));
  write(to, state.settings);
  write(to, state.base_settings);
  write(to, state.hints);
  write(to, state.login_hints);
  to.number(static_cast<std::uint32_t>(state.prepared.size()));
  for (const auto& prepared : state.prepared) write(to, prepared);
  write(to, state.reported);
  to.number(state.unnamed ? 1 : 0);
  if (state.unnamed) write(to, *state.unnamed);
  return out;
}

std::optional<SessionState> decode_session_state(std::string_view bytes) {
  Reader from(bytes);
  if (from.number() != kSessionStateVersion) return std::nullopt;
  SessionState state;
  for (auto* text : {&state.user, &state.database, &state.peer, &state.secret, &state.default_search_path, &state.scram_keys,
                           &state.input}) {
    *text = from.text();
  }
  state.pid = static_cast<std::int32_t>(from.number());
  const std::uint64_t high = from.number();
  state.connected_us_ago = static_cast<std::int64_t>(high << 32 | from.number());
  state.settings = read_settings(from);
  state.base_settings = read_settings(from);
  state.hints = read_pairs(from);
  state.login_hints = read_pairs(from);
  state.prepared.resize(from.count());
  for (auto& prepared : state.prepared) prepared = read_prepared(from);
  state.reported = read_pairs(from);
  const std::uint32_t has_unnamed = from.number();
  if (has_unnamed > 1) return std::nullopt;
  if (has_unnamed == 1) state.unnamed = read_prepared(from);
  if (!from.at_end()) return std::nullopt;
  return state;
}

}  // namespace howdah::proxy
