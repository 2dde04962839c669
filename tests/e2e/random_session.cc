#include "tests/e2e/random_session.h"

#include <algorithm>
#include <array>

#include "drivers/pgwire/frontend.h"

namespace howdah::e2e {
namespace {

using Owes = Move::Owes;
using std::string_view_literals::operator""sv;

// Statements whose answers depend on nothing but this session.
constexpr std::array kQueries = {
    "SELECT * FROM items ORDER BY id", "SELECT name FROM items WHERE id = $1", "SELECT $1::int + 1", "SELECT 10 / ($1::int - 3)",
    "SELECT 'a', NULL, 3.50", "SELECT repeat('x', 700) FROM generate_series(1, 60)", "SELECT g FROM generate_series(1, 7) g",
    "INSERT INTO lines VALUES ($1, 'prepared')", "INSERT INTO lines VALUES (1, 'plain') RETURNING *",
    "UPDATE lines SET body = body || '!' WHERE id = $1", "DELETE FROM lines WHERE id < 2", "SELECT * FROM lines ORDER BY id, body",
    "INSERT INTO items VALUES (3, 'twice', 1)", "INSERT INTO items VALUES ($1, 'new', -1)", "INSERT INTO late VALUES (1)",
    "SELECT nosuch FROM items", "SELECT * FROM missing", "SELEC 1", "", "-- nothing", "SELECT count(*) FROM lines",
    "VALUES ($1, 2), (3, $2)", "SELECT $1, $2::text", "SELECT pg_typeof($1)", "SELECT timestamptz '2024-05-06 07:08'",
    "WITH w AS (INSERT INTO lines VALUES (9, 'with') RETURNING id) SELECT id FROM w", "TABLE items ORDER BY id",
};
constexpr std::array kControl = {
    "BEGIN", "BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "SAVEPOINT b",
    "ROLLBACK TO SAVEPOINT b", "START TRANSACTION READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ", "END", "ABORT",
    "COMMIT AND CHAIN", "ROLLBACK AND CHAIN",
};
constexpr std::array kSettings = {
    "SET application_name = 'one'", "SET application_name TO DEFAULT", "SHOW application_name", "SET TimeZone = 'Asia/Tokyo'",
    "SET TimeZone TO 'UTC'", "SHOW TimeZone", "SET LOCAL TimeZone = 'America/Lima'", "SET statement_timeout = 12345",
    "SHOW statement_timeout", "RESET statement_timeout", "SET DateStyle = 'German'", "RESET DateStyle", "RESET ALL",
    "SET nosuch = 1", "SET work_mem = '70MB'", "SHOW work_mem", "SET LOCAL work_mem = '80MB'",
};
constexpr std::array kOther = {
    "DEALLOCATE s", "DEALLOCATE ALL", "DEALLOCATE nobody", "DISCARD PLANS", "DISCARD ALL", "DECLARE c CURSOR FOR SELECT id FROM items ORDER BY id",
    "FETCH 2 FROM c", "MOVE c", "CLOSE c", "DO $$ BEGIN RAISE NOTICE 'noticed'; END $$", "EXPLAIN (COSTS OFF) SELECT 1",
    "COPY (SELECT id, name FROM items ORDER BY id) TO STDOUT", "LOCK TABLE items", "SELECT 1; SELECT 2", "SELECT 1; SELECT 1/0; SELECT 2",
    "INSERT INTO lines VALUES (5, 'both'); INSERT INTO lines VALUES (6, 'both')", "INSERT INTO lines VALUES (7, 'none'); SELECT 1/0",
    "BEGIN; INSERT INTO lines VALUES (8, 'block'); COMMIT", ";", "VACUUM late", "LISTEN heard", "UNLISTEN *",
};
constexpr std::array kNames = {"", "", "s", "t", "u", "v"};
constexpr std::array kPortals = {"", "", "", "p", "q"};
constexpr std::array kValues = {"1", "2", "3", "7", "x"};

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) { session_.seed = seed; }

  RandomSession make() {
    const int count = 2 + below(28);
    for (int i = 0; i < count; ++i) {
      move();
      const bool idle = unsynced_ == 0;
      if (idle && below(2) == 0) session_.moves.back().wait = true;
    }
    sync();
    session_.moves.back().wait = true;
    if (below(4) == 0) {
      const std::size_t kept = session_.moves.size();
      for (int i = 1 + below(4); i > 0; --i) move();
      for (std::size_t i = kept; i < session_.moves.size(); ++i) session_.tail += session_.moves[i].bytes;
      session_.moves.resize(kept);
      session_.tail.resize(static_cast<std::size_t>(below(static_cast<int>(session_.tail.size()) + 1)));
    }
    session_.splits = random_();
    return std::move(session_);
  }

 private:
  int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint64_t>(limit)); }
  template <class Array>
  auto one_of(const Array& from) {
    return from[static_cast<std::size_t>(below(static_cast<int>(from.size())))];
  }
  const char* any_text() {
    switch (below(10)) {
      case 0: return one_of(kSettings);
      case 1: case 2: return one_of(kControl);
      case 3: return one_of(kOther);
      default: return one_of(kQueries);
    }
  }

  template <class Append>
  void add(std::string label, std::vector<Owes> owes, Append append) {
    Move made;
    append(made.bytes);
    made.label = std::move(label);
    made.owes = std::move(owes);
    session_.moves.push_back(std::move(made));
  }
  void reply(std::string label, auto append) {
    ++unsynced_;
    add(std::move(label), {Owes::kReply}, append);
  }
  void sync() {
    unsynced_ = 0;
    bound_ = bound_ && !queried_;
    add("Sync", {Owes::kReady}, [](auto& out) { pgwire::append_sync(out); });
  }

  void parse(const std::string& name, std::string text) {
    // A constant in a named statement is read under the settings at the time of its use: see docs/SQL_SUPPORT.md.
    if (!name.empty() && text.find("timestamptz '") != std::string::npos) text = kQueries[0];
    std::vector<Oid> types;
    if (text.find("$1") != std::string::npos && below(5) == 0) types = {static_cast<Oid>(below(2) == 0 ? 23 : 25)};
    reply("Parse " + name + ": " + text, [&](auto& out) { pgwire::append_parse(out, name, text, types); });
  }
  void bind(const std::string& portal, const std::string& name, const std::string& text) {
    bound_ = bound_ || portal.empty();
    std::vector<std::optional<Bytes>> values;
    int params = text.find("$2") != std::string::npos ? 2 : text.find("$1") != std::string::npos ? 1 : 0;
    if (below(15) == 0) params = below(3);
    for (int i = 0; i < params; ++i) {
      if (below(8) == 0) {
        values.push_back(std::nullopt);
      } else {
        values.push_back(one_of(kValues));
      }
    }
    std::vector<std::int16_t> formats;
    if (below(6) == 0) formats = {1};
    reply("Bind " + portal + " <- " + name + " of " + std::to_string(params),
          [&](auto& out) { pgwire::append_bind(out, portal, name, {}, values, formats); });
  }
  // A simple query that fails in a transaction leaves an unnamed portal whose plan PostgreSQL has freed: to execute or to
  // describe it may end the server.
  std::string portal_or_p(const std::string& portal) const { return portal.empty() && !bound_ ? "p" : portal; }
  void query(std::string text) {
    // Refused: transaction control in a string of statements, where some of it may belong to what was not synced.
    if (unsynced_ > 0 && text.starts_with("BEGIN;")) text = kQueries[0];
    unsynced_ = 0;
    bound_ = false;
    queried_ = true;
    add("Query " + text, {Owes::kQuery}, [&](auto& out) { pgwire::append_query(out, text); });
  }
  void describe(char kind, const std::string& what) {
    const std::string name = kind == 'P' ? portal_or_p(what) : what;
    reply(std::string("Describe ") + kind + " " + name, [&](auto& out) { pgwire::append_describe(out, kind, name); });
  }
  void execute(const std::string& wanted, int rows) {
    const std::string portal = portal_or_p(wanted);
    reply("Execute " + portal + " " + std::to_string(rows), [&](auto& out) { pgwire::append_execute(out, portal, rows); });
  }

  void remember(const std::string& name, const std::string& text) {
    for (auto& [known, what] : texts_) {
      if (known == name) what = text;
    }
    texts_.emplace_back(name, text);
  }
  std::string text_of(const std::string& name) const {
    for (const auto& [known, text] : texts_) {
      if (known == name) return text;
    }
    return "";
  }

  void move() {
    const int kind = below(20);
    if (kind < 5) {
      return query(any_text());
    }
    if (kind < 9) {  // what drivers do
      const std::string name = one_of(kNames), text = any_text();
      if (!name.empty() && below(3) == 0) {
        reply("Close S " + name, [&](auto& out) { pgwire::append_close(out, 'S', name); });
      }
      parse(name, text);
      remember(name, text);
      bind("", name, text);
      if (below(2) == 0) describe('P', "");
      execute("", 0);
      if (below(4) != 0) sync();
      return;
    }
    if (kind < 12) {  // one prepared before
      const std::string name = one_of(kNames), portal = one_of(kPortals);
      bind(portal, name, text_of(name));
      if (below(3) == 0) describe('P', portal);
      execute(portal, below(3) == 0 ? 1 + below(4) : 0);
      if (below(3) == 0) execute(portal, below(3));
      if (below(3) != 0) sync();
      return;
    }
    switch (kind) {
      case 12: {
        const std::string name = one_of(kNames), text = any_text();
        parse(name, text);
        remember(name, text);
        if (below(2) == 0) describe('S', name);
        return;
      }
      case 13: return describe(below(2) == 0 ? 'S' : 'P', one_of(kNames));
      case 14: return execute(one_of(kPortals), below(4));
      case 15: {
        const char what = below(2) == 0 ? 'S' : 'P';
        const std::string name = what == 'S' ? one_of(kNames) : one_of(kPortals);
        return reply(std::string("Close ") + what + " " + name, [&](auto& out) { pgwire::append_close(out, what, name); });
      }
      case 16: return copy_in();
      case 17: {
        add("Flush", {}, [](auto& out) { pgwire::append_flush(out); });
        session_.moves.back().wait = below(2) == 0;
        return;
      }
      case 18: {
        unsynced_ = 0;
        return add("FunctionCall abs(-7)", {Owes::kQuery},
                   [](auto& out) { out += "F\0\0\0\x14\0\0\x05\x75\0\0\0\x01\0\0\0\x02-7\0\0"sv; });
      }
      default: return sync();
    }
  }

  void copy_in() {
    const std::string text = below(5) == 0 ? "COPY missing FROM STDIN" : "COPY lines FROM STDIN";
    const bool simple = below(2) == 0;
    const std::size_t first = session_.moves.size() + 1;
    if (simple) {
      query(text);
    } else {
      // Names of its own: executed by accident, it would take the messages that follow.
      reply("Close S copy", [&](auto& out) { pgwire::append_close(out, 'S', "copy"); });
      reply("Parse copy: " + text, [&](auto& out) { pgwire::append_parse(out, "copy", text); });
      bind("copying", "copy", "");
      execute("copying", 0);
      if (below(3) == 0) {
        add("Sync (early)", {Owes::kReadyOrCopy}, [](auto& out) { pgwire::append_sync(out); });
      }
    }
    std::string data;
    for (int i = below(4); i > 0; --i) pgwire::append_copy_data(data, "4\tcopied\n");
    if (below(6) == 0) pgwire::append_copy_data(data, "not a number\tcopied\n");
    if (below(5) == 0) pgwire::append_flush(data);
    below(4) == 0 ? pgwire::append_copy_fail(data, "no more") : pgwire::append_copy_done(data);
    add("CopyData and its end", {}, [&](auto& out) { out += data; });
    if (!simple) sync();
    for (std::size_t i = first; i < session_.moves.size(); ++i) session_.moves[i].glued = true;
  }

  std::mt19937_64 random_;
  RandomSession session_;
  int unsynced_ = 0;
  bool bound_ = false;    // the unnamed portal is one that a Bind made
  bool queried_ = false;  // a simple query came before
  std::vector<std::pair<std::string, std::string>> texts_;
};

}  // namespace

RandomSession make_session(std::uint64_t seed) { return Maker(seed).make(); }

std::string describe(const RandomSession& session) {
  std::string out = "seed " + std::to_string(session.seed) + "\n";
  for (const auto& move : session.moves) out += "  " + move.label + (move.wait ? "   [wait]" : "") + "\n";
  if (!session.tail.empty()) out += "  and " + std::to_string(session.tail.size()) + " bytes more\n";
  return out;
}

void Expectation::sent(const Move& move) {
  for (const Owes owes : move.owes) {
    if (owes == Owes::kReady || owes == Owes::kReadyOrCopy) skipping_ = false;
    if (!skipping_) owed_.push_back(owes);
  }
}

void Expectation::skip() {
  while (!owed_.empty() && owed_.front() != Owes::kReady && owed_.front() != Owes::kReadyOrCopy) owed_.erase(owed_.begin());
  skipping_ = owed_.empty();
}

void Expectation::received(char type) {
  if (owed_.empty()) return;
  const Owes head = owed_.front();
  switch (type) {
    case 'E':
      if (head == Owes::kReply) skip();
      return;
    case 'Z':
      if (head != Owes::kReply) owed_.erase(owed_.begin());
      return;
    case 'G':
      if (head == Owes::kReply && owed_.size() > 1 && owed_[1] == Owes::kReadyOrCopy) owed_.erase(owed_.begin() + 1);
      return;
    case '1': case '2': case '3': case 'n': case 'T': case 'C': case 'I': case 's':
      if (head == Owes::kReply) owed_.erase(owed_.begin());
      return;
    default:
      return;
  }
}

std::vector<std::vector<Message>> play(RawClient& client, const RandomSession& session, const std::vector<std::size_t>* counts) {
  std::mt19937_64 random(session.splits);
  std::vector<std::vector<Message>> seen;
  Expectation expected;
  std::string out;
  for (const auto& move : session.moves) {
    out += move.bytes;
    expected.sent(move);
    if (!move.wait) continue;
    for (Bytes rest = out; !rest.empty();) {
      const std::size_t part = random() % 3 == 0 ? 1 + random() % rest.size() : rest.size();
      client.send(rest.substr(0, part));
      rest.remove_prefix(part);
    }
    out.clear();
    auto& messages = seen.emplace_back();
    const std::size_t wanted = counts == nullptr ? 0 : (*counts)[seen.size() - 1];
    while (counts == nullptr ? !expected.empty() : messages.size() < wanted) {
      auto message = client.next();
      if (!message) return seen;
      expected.received(message->type);
      messages.push_back(std::move(*message));
    }
  }
  client.send(session.tail);
  return seen;
}

}  // namespace howdah::e2e
