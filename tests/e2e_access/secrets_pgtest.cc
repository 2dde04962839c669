// Passwords, hashes and verifiers of the configuration: whom they let in, what they give toward the servers, and what
// nobody may learn from them. https://www.postgresql.org/docs/15/auth-password.html
#include <gtest/gtest.h>

#include <algorithm>

#include "drivers/pgwire/authentication.h"
#include "drivers/pgwire/frontend.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"

namespace howdah::e2e_access {
namespace {

using Lines = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

class Secrets : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<testing::TempDir>();
    folder_->give_to_server_owner();
    testing::write_file(path("behind.conf"), "local all postgres trust\nhost all all 127.0.0.1/32 md5\n");
    cluster_ = std::make_unique<testing::PgCluster>(testing::PgCluster::Options{.settings = {{"hba_file", path("behind.conf")}}});
    for (const char* role : {"plain", "verified", "expired", "listed", "other"}) {
      cluster_->primary().run_sql(std::string("CREATE ROLE ") + role + " LOGIN PASSWORD '" + role + "'");
    }
    cluster_->primary().run_sql("SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'hashed'");
    testing::write_file(path("users.txt"), "; as PgBouncer has them\n\"listed\" \"" + stored("listed") + "\"\n\"other\" \"other\"\n");
    howdah_ = start(*cluster_, access());
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
    folder_.reset();
  }

  static std::string path(const std::string& name) { return folder_->path() + "/" + name; }
  // What pg_authid has.
  static std::string stored(const std::string& role) {
    return cluster_->primary().run_sql("SELECT rolpassword FROM pg_authid WHERE rolname = '" + role + "'").scalar();
  }
  static Access access() {
    return {.users = "[ { name: admin, password: admin, admin: true }, { name: app, password: app }, { name: plain, password: plain }, "
                     "{ name: verified, password: '" + stored("verified") + "' }, { name: hashed, password: '" + stored("hashed") +
                     "' }, { name: expired, password: expired, valid_until: 2020-01-01 }, { name: without } ]",
            .extra = "users_file: " + path("users.txt") + "\nhba: { mock_secret: the same after each start }"};
  }

  static Lines log_in(const Try& login) { return AccessClient(howdah_->port()).log_in(login); }

  static inline std::unique_ptr<testing::TempDir> folder_;
  static inline std::unique_ptr<testing::PgCluster> cluster_;
  static inline std::unique_ptr<testing::HowdahProcess> howdah_;
};

TEST_F(Secrets, LetInByPlainHashAndVerifierFromEitherFile) {
  for (const std::string user : {"plain", "verified", "hashed", "listed", "other"}) {
    for (int i = 0; i < 4; ++i) {  // on each worker, where each has pools of its own
      AccessClient client(howdah_->port());
      EXPECT_EQ(client.log_in({.user = user, .password = user}).back(), "ReadyForQuery I") << user << howdah_->log();
      EXPECT_EQ(client.query("SELECT current_user"), user) << "and onward to the server";
    }
    EXPECT_TRUE(log_in({.user = user, .password = "wrong"}).back().starts_with("Error FATAL 28P01")) << user;
  }
}

// The proxy's file has a verifier, so all it ever sees of the password are the keys that its own client's login shows.
TEST_F(Secrets, PassScramKeysThroughWithoutKnowingThePassword) {
  EXPECT_EQ(testing::read_file_or_empty(howdah_->config_path()).find("password: verified"), std::string::npos);
  AccessClient client(howdah_->port());
  ASSERT_EQ(client.log_in({.user = "verified", .password = "verified"}).back(), "ReadyForQuery I");
  auto superuser = cluster_->primary().superuser();
  superuser.must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'verified'");
  EXPECT_EQ(client.query("SELECT 1"), "1") << "a new server connection, by the keys that are kept";
}

TEST_F(Secrets, SayWhenTheServerHasAnotherVerifier) {
  cluster_->primary().run_sql("CREATE ROLE moved LOGIN PASSWORD 'moved'");
  Access changed = access();
  changed.users.insert(changed.users.find(']'), ", { name: moved, password: '" + stored("moved") + "' }");
  const auto howdah = start(*cluster_, changed);
  cluster_->primary().run_sql("ALTER ROLE moved PASSWORD 'moved'");  // the same password, another salt
  AccessClient client(howdah->port());
  const auto lines = client.log_in({.user = "moved", .password = "moved"});
  EXPECT_FALSE(client.logged_in());
  EXPECT_NE(lines.back().find("SCRAM verifier"), std::string::npos) << lines.back();
}

TEST_F(Secrets, ExpireWithTheirDate) {
  EXPECT_EQ(log_in({.user = "expired", .password = "expired"}),
            (Lines{"Authentication 10 SCRAM-SHA-256\\00\\00", "Authentication 11",
                   "Error FATAL 28P01 password authentication failed for user \"expired\""}));
  Access later = access();
  later.users.replace(later.users.find("2020-01-01"), 10, "2999-01-01");
  reload(*howdah_, yaml_of(*cluster_, later, *howdah_));
  EXPECT_EQ(log_in({.user = "expired", .password = "expired"}).back(), "ReadyForQuery I");
  reload(*howdah_, yaml_of(*cluster_, access(), *howdah_));
  EXPECT_NE(log_in({.user = "expired", .password = "expired"}).back(), "ReadyForQuery I");
}

TEST_F(Secrets, AreReadAgainAtAReload) {
  const std::string before = testing::read_file_or_empty(path("users.txt"));
  EXPECT_NE(log_in({.user = "other", .password = "changed"}).back(), "ReadyForQuery I");
  testing::write_file(path("users.txt"), "\"listed\" \"\"\n\"other\" \"changed\"\n");
  cluster_->primary().run_sql("ALTER ROLE other PASSWORD 'changed'");
  reload(*howdah_, yaml_of(*cluster_, access(), *howdah_));
  EXPECT_EQ(log_in({.user = "other", .password = "changed"}).back(), "ReadyForQuery I");
  EXPECT_NE(log_in({.user = "other", .password = "other"}).back(), "ReadyForQuery I");
  EXPECT_NE(log_in({.user = "listed", .password = "listed"}).back(), "ReadyForQuery I") << "an empty secret fits no password";
  testing::write_file(path("users.txt"), "\"listed\n");
  reload(*howdah_, yaml_of(*cluster_, access(), *howdah_));
  EXPECT_EQ(log_in({.user = "other", .password = "changed"}).back(), "ReadyForQuery I") << "a faulty file changes nothing";
  testing::write_file(path("users.txt"), before);
  cluster_->primary().run_sql("ALTER ROLE other PASSWORD 'other'");
  reload(*howdah_, yaml_of(*cluster_, access(), *howdah_));
}

// Who may not log in learns nothing: neither from what is said nor from the salt.
TEST_F(Secrets, UnknownUsersLookLikeAnyOther) {
  const auto refused = [](const std::string& user) {
    auto lines = log_in({.user = user, .password = "wrong", .database = "missing"});
    for (auto& line : lines) {
      if (const auto at = line.find(user); at != std::string::npos) line.replace(at, user.size(), "USER");
    }
    return lines;
  };
  const Lines expected = refused("plain");
  EXPECT_EQ(expected.size(), 3u);
  for (const char* user : {"nobody", "verified", "expired", "without", "listed", "admin"}) EXPECT_EQ(refused(user), expected) << user;
}

TEST_F(Secrets, SaltsAreStablePerUser) {
  const auto salt = [](const testing::HowdahProcess& howdah, const std::string& user) {
    AccessClient client(howdah.port());
    client.log_in({.user = user, .password = "wrong"});
    EXPECT_NE(client.salt(), "");
    return client.salt();
  };
  const std::string first = salt(*howdah_, "nobody"), known = salt(*howdah_, "plain");
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(salt(*howdah_, "nobody"), first);
    EXPECT_EQ(salt(*howdah_, "plain"), known);
  }
  EXPECT_NE(salt(*howdah_, "somebody"), first);
  EXPECT_EQ(first.substr(first.find(",i=")), known.substr(known.find(",i="))) << "the same number of iterations";
  EXPECT_EQ(first.size(), known.size());
  const auto again = start(*cluster_, access());
  EXPECT_EQ(salt(*again, "nobody"), first) << "after a restart, by hba.mock_secret";
  EXPECT_EQ(salt(*again, "plain"), known);
}

// One key derivation costs more than a millisecond: it would show. The fastest tenth of many tries is compared, since
// noise only ever adds.
TEST_F(Secrets, TimingTellsNothing) {
  const auto fastest = [](std::vector<double> times) {
    std::sort(times.begin(), times.end());
    return times[times.size() / 10];
  };
  std::vector<double> times[3];
  const std::string users[3] = {"plain", "nobody", "verified"};
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 3; ++i) {
      // Each unknown name once: the first look at a name must not differ either.
      const std::string name = i == 1 ? "nobody" + std::to_string(round) : users[i];
      AccessClient client(howdah_->port());
      const auto began = Clock::now();
      client.send(startup(name, "app"));
      std::string out;
      client.next();
      pgwire::append_sasl_initial(out, pgwire::kScramSha256, "n,,n=,r=fyko+d2lbbFgONRv9qkxdawL");
      client.send(out);
      const auto challenge = client.next();
      ASSERT_TRUE(challenge);
      const std::string nonce = challenge->body.substr(4, challenge->body.find(",s=") - 4);
      out.clear();
      pgwire::append_sasl_response(out, "c=biws," + nonce + ",p=" + std::string(43, 'A') + "=");
      client.send(out);
      const auto refusal = client.next();
      times[i].push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
      ASSERT_TRUE(refusal);
      EXPECT_TRUE(e2e::to_line(*refusal).starts_with("Error FATAL 28P01")) << e2e::to_line(*refusal);
    }
  }
  const double plain = fastest(times[0]), unknown = fastest(times[1]), verified = fastest(times[2]);
  EXPECT_LT(std::abs(plain - unknown), 0.7) << "ms: known " << plain << ", unknown " << unknown;
  EXPECT_LT(std::abs(verified - unknown), 0.7) << "ms: with verifier " << verified << ", unknown " << unknown;
  RecordProperty("known_ms", std::to_string(plain));
  RecordProperty("unknown_ms", std::to_string(unknown));
}

// The other methods by password: unknown users are asked as known ones are, and fail as they do.
TEST_F(Secrets, UnknownUsersAreAskedByEachMethodLikeAnyOther) {
  const std::string plain_users = "[ { name: app, password: app }, { name: other, password: other } ]";
  const std::string verifiers = "[ { name: verified, password: '" + stored("verified") + "' } ]";
  struct Case {
    const char* method;
    std::string users;
    std::string known;
    const char* question;
  };
  for (const Case& c : {Case{"password", plain_users, "app", "Authentication 3"}, Case{"md5", plain_users, "app", "Authentication 5"},
                        Case{"md5", verifiers, "verified", "Authentication 10 SCRAM-SHA-256\\00\\00"},
                        Case{"scram-sha-256", plain_users, "app", "Authentication 10 SCRAM-SHA-256\\00\\00"}}) {
    testing::write_file(path("hba.conf"), std::string("host all all all ") + c.method + "\n");
    Access one{.users = c.users, .extra = "hba: { file: " + path("hba.conf") + " }"};
    const auto howdah = start(*cluster_, one);
    const auto refused = [&](const std::string& user) {
      auto lines = AccessClient(howdah->port()).log_in({.user = user, .password = "wrong"});
      EXPECT_EQ(lines.front(), c.question) << c.method;
      const auto at = lines.back().find('"' + user + '"');
      EXPECT_NE(at, std::string::npos) << lines.back();
      if (at != std::string::npos) lines.back().replace(at, user.size() + 2, "USER");
      return lines;
    };
    EXPECT_EQ(refused(c.known), refused("nobody")) << c.method;
  }
}

// A client-final message made wrong in each place where it can be wrong.
TEST_F(Secrets, WrongProofsAreRefused) {
  const auto attempt = [](auto make_final) {
    AccessClient client(howdah_->port());
    client.send(startup("plain", "app"));
    client.next();
    pgwire::ScramClient scram({.password = "plain", .nonce = pgwire::scram_nonce("eighteen random by")});
    std::string out;
    pgwire::append_sasl_initial(out, pgwire::kScramSha256, scram.first());
    client.send(out);
    const auto challenge = client.next();
    pgwire::Authentication request;
    if (!challenge || !decode(challenge->body, request)) return Lines{"no challenge"};
    out.clear();
    pgwire::append_sasl_response(out, make_final(scram.on_continue(request.payload).value()));
    client.send(out);
    const auto said = client.next();
    if (said && said->type == 'R') return Lines{e2e::to_line(*said)};
    Lines words = client.last_words();
    if (said) words.insert(words.begin(), e2e::to_line(*said));
    return words;
  };
  const auto proof_at = [](const std::string& text) { return text.find(",p=") + 3; };
  EXPECT_EQ(attempt([](std::string text) { return text; }).front(), "Authentication 12") << "untouched, it is right";
  const auto refused = [&](const char* state, auto make_final) {
    const Lines words = attempt(make_final);
    ASSERT_EQ(words.size(), 1u) << ::testing::PrintToString(words);
    EXPECT_TRUE(words[0].starts_with(std::string("Error FATAL ") + state)) << words[0];
  };
  refused("28P01", [&](std::string text) { return text.replace(proof_at(text), 1, text[proof_at(text)] == 'A' ? "B" : "A"); });
  refused("28P01", [&](std::string text) { return text.substr(0, proof_at(text)) + std::string(43, 'A') + "="; });
  refused("08P01", [&](std::string text) { return text.substr(0, proof_at(text)); });
  refused("08P01", [&](std::string text) { return text.substr(0, proof_at(text) - 3); });
  refused("08P01", [&](std::string text) { return text.substr(0, proof_at(text)) + "AAAA"; });
  refused("08P01", [&](std::string text) { return text.substr(0, proof_at(text)) + "no base64!"; });
  refused("08P01", [&](std::string text) { return text.replace(text.find("r="), 4, "r=XX"); });
  refused("08P01", [&](std::string text) { return text + ",x=y"; });
  refused("08P01", [](std::string) { return std::string("\0\0\0", 3); });
  refused("08P01", [](std::string) { return std::string(60'000, 'p'); });
  refused("08P01", [](std::string) { return std::string(); });
}

// What else may stand in the place of an answer, compared with PostgreSQL where it says something.
TEST_F(Secrets, MisshapenAnswersAreRefused) {
  using namespace std::string_literals;
  const auto answered = [](std::uint16_t port, const std::string& bytes) {
    AccessClient client(port);
    client.send(startup("app", "app"));
    client.next();
    client.send(bytes);
    return client.last_words();
  };
  for (const std::string& bytes : {"p\0\0\0\x13NOT-A-MECH\0\0\0\0\0"s, "p\0\0\0\x16SCRAM-SHA-256\0\0\0\0\0"s, "p\0\0\0\x1bSCRAM-SHA-256-PLUS\0\0\0\0\0"s,
                                   "Q\0\0\0\x0dSELECT 1\0"s, "X\0\0\0\4"s, "d\0\0\0\4"s}) {
    EXPECT_EQ(e2e::difference(answered(cluster_->primary().port(), bytes), answered(howdah_->port(), bytes)), "") << bytes;
  }
  // Lengths out of bounds: PostgreSQL closes some of these without a word.
  for (const std::string& bytes : {"p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xfe"s, "p\0\0\0\x16SCRAM-SHA-256\0\x7f\xff\xff\xff"s, "p\0\0\0\3"s,
                                   "p\xff\xff\xff\xff"s, "p\0\1\0\1"s, "p\0\1\x11\x70"s + std::string(70'000, 'x')}) {
    const Lines words = answered(howdah_->port(), bytes);
    ASSERT_EQ(words.size(), 1u) << ::testing::PrintToString(words);
    EXPECT_TRUE(words[0].starts_with("Error FATAL 08P01")) << words[0];
  }
}

TEST_F(Secrets, OnlyAdminsReachTheConsole) {
  for (const char* console : {"howdah", "pgbouncer"}) {
    AccessClient admin(howdah_->port());
    EXPECT_EQ(admin.log_in({.user = "admin", .password = "admin", .database = console}).back(), "ReadyForQuery I");
    AccessClient app(howdah_->port());
    EXPECT_TRUE(app.log_in({.database = console}).back().starts_with("Error FATAL 28000")) << console;
    EXPECT_TRUE(app.closed() || !app.next()) << "and it is over";
    EXPECT_TRUE(log_in({.user = "app", .password = "wrong", .database = console}).back().starts_with("Error FATAL 28P01"));
    EXPECT_TRUE(log_in({.user = "nobody", .password = "x", .database = console}).back().starts_with("Error FATAL 28P01"));
  }
  AccessClient app(howdah_->port());
  ASSERT_EQ(app.log_in().back(), "ReadyForQuery I");
  for (const char* command : {"SHOW POOLS", "SHOW USERS", "SHUTDOWN", "PAUSE", "KILL app", "RELOAD", "RECONNECT"}) {
    EXPECT_EQ(app.query(command).size(), 5u) << command << " is an error of the server's";
  }
  EXPECT_EQ(app.query("SELECT 'alive'"), "alive");
}

}  // namespace
}  // namespace howdah::e2e_access
