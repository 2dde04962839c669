#include "drivers/pgwire/scram.h"

#include <gtest/gtest.h>

namespace howdah::pgwire {
namespace {

using Binding = ScramClient::Binding;

// The exchange of RFC 7677, section 3.
constexpr char kClientNonce[] = "rOprNGfwEbeRWgbNEkqO";
constexpr char kServerNonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr char kClientFirst[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr char kServerFirst[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr char kClientFinal[] =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr char kServerFinal[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramClient::Settings client_settings() {
  return {.user = "user", .password = "pencil", .nonce = kClientNonce};
}

const ScramVerifier& verifier() {
  static const ScramVerifier made = ScramVerifier::make("pencil", *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="));
  return made;
}

ScramServer::Settings server_settings() {
  return {.verifier = verifier(), .nonce = kServerNonce};
}

// Runs a whole login between the two machines; the error of whichever refuses first.
Result<void> login(ScramClient& client, ScramServer& server) {
  auto server_first = server.on_first(client.first());
  if (!server_first) return server_first.error();
  auto client_final = client.on_continue(*server_first);
  if (!client_final) return client_final.error();
  auto server_final = server.on_final(*client_final);
  if (!server_final) return server_final.error();
  return client.on_final(*server_final);
}

Result<void> login(ScramClient::Settings client_side, ScramServer::Settings server_side) {
  ScramClient client(std::move(client_side));
  ScramServer server(std::move(server_side));
  return login(client, server);
}

TEST(ScramClient, SpeaksTheRfcsExchange) {
  ScramClient client(client_settings());
  EXPECT_EQ(client.first(), kClientFirst);
  EXPECT_EQ(client.on_continue(kServerFirst).value(), kClientFinal);
  EXPECT_FALSE(client.done());
  EXPECT_TRUE(client.on_final(kServerFinal));
  EXPECT_TRUE(client.done());
}

TEST(ScramServer, SpeaksTheRfcsExchange) {
  ScramServer server(server_settings());
  EXPECT_EQ(server.on_first(kClientFirst).value(), kServerFirst);
  EXPECT_EQ(server.on_final(kClientFinal).value(), kServerFinal);
}

TEST(ScramClient, RefusesAServerThatDoesNotKnowThePassword) {
  for (const char* final :
       {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=6rriTRBi", "v=", "e=other-error"}) {
    ScramClient client(client_settings());
    client.first();
    ASSERT_TRUE(client.on_continue(kServerFirst));
    const auto result = client.on_final(final);
    ASSERT_FALSE(result) << final;
    EXPECT_EQ(result.error().code, ErrorCode::kAuthFailed) << final;
  }
}

TEST(ScramClient, RefusesMessagesOutOfShape) {
  for (const char* first : {
           "",
           "x",
           "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // adds nothing to our nonce
           "r=somebodyElsesNonce,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
           "r=rOprNGfwEbeRWgbNEkqO\x01,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
           "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
           "r=rOprNGfwEbeRWgbNEkqOx,s=***,i=4096",
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000",  // would block us for minutes
           "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,5",
       }) {
    ScramClient client(client_settings());
    client.first();
    const auto result = client.on_continue(first);
    ASSERT_FALSE(result) << first;
    EXPECT_EQ(result.error().code, ErrorCode::kProtocolViolation) << first;
  }
}

TEST(ScramServer, RefusesFirstMessagesOutOfShape) {
  using namespace std::string_view_literals;
  for (const Bytes first : {
           ""sv, "n"sv, "n,"sv, "n,,"sv, "x,,n=,r=abc"sv, "n,,n=user"sv, "n,,r=abc"sv, "n,,n=,r="sv,
           "n,,n=,r=a b"sv, "n,,n=,r=\xc3\xa4"sv, "n,,n=,r=abc,1=x"sv, "n,,n=,r=abc,x"sv, "n,,n=,r=abc\0"sv,
           "p=tls-server-end-point,,n=,r=abc"sv,  // binding without the mechanism for it
       }) {
    ScramServer server(server_settings());
    const auto result = server.on_first(first);
    ASSERT_FALSE(result) << first;
    EXPECT_EQ(result.error().code, ErrorCode::kProtocolViolation) << first;
  }
  for (const char* first : {"n,a=other,n=,r=abc", "n,,m=x,n=,r=abc"}) {
    ScramServer server(server_settings());
    EXPECT_EQ(server.on_first(first).error().code, ErrorCode::kUnsupported) << first;
  }
}

TEST(ScramServer, IgnoresExtensionsThatMayBeIgnored) {
  ScramServer server(server_settings());
  EXPECT_TRUE(server.on_first("n,,n=,r=abc,x=1,Y=,z=2"));
}

TEST(ScramServer, RefusesFinalMessagesOutOfShape) {
  const std::string nonce = std::string("r=") + kClientNonce + kServerNonce;
  const std::string proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  const std::pair<std::string, ErrorCode> cases[] = {
      {"", ErrorCode::kProtocolViolation},
      {"c=biws," + nonce, ErrorCode::kProtocolViolation},
      {"c=biws," + nonce + ",p=", ErrorCode::kProtocolViolation},
      {"c=biws," + nonce + ",p=AAAA", ErrorCode::kProtocolViolation},
      {"c=biws," + nonce + "," + proof + ",", ErrorCode::kProtocolViolation},
      {"c=biws," + nonce + "," + proof + ",x=1", ErrorCode::kProtocolViolation},
      {"c=biws," + nonce + "x," + proof, ErrorCode::kProtocolViolation},
      {nonce + "," + proof, ErrorCode::kProtocolViolation},
      {"c=eSws," + nonce + "," + proof, ErrorCode::kAuthRejected},
      {"c=," + nonce + "," + proof, ErrorCode::kAuthRejected},
      {"c=biws," + nonce + ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ErrorCode::kAuthFailed},
      {"c=biws," + nonce + ",x=1," + proof, ErrorCode::kAuthFailed},  // the proof does not cover x
  };
  for (const auto& [final, code] : cases) {
    ScramServer server(server_settings());
    ASSERT_TRUE(server.on_first(kClientFirst));
    const auto result = server.on_final(final);
    ASSERT_FALSE(result) << final;
    EXPECT_EQ(result.error().code, code) << final;
  }
}

TEST(Scram, NeverLogsInOnATruncatedMessage) {
  const Bytes final = kClientFinal;
  for (std::size_t size = 0; size < final.size(); ++size) {
    ScramServer server(server_settings());
    ASSERT_TRUE(server.on_first(kClientFirst));
    EXPECT_FALSE(server.on_final(final.substr(0, size))) << size;
  }
  const Bytes signature = kServerFinal;
  for (std::size_t size = 0; size < signature.size(); ++size) {
    ScramClient client(client_settings());
    client.first();
    ASSERT_TRUE(client.on_continue(kServerFirst));
    EXPECT_FALSE(client.on_final(signature.substr(0, size))) << size;
  }
}

TEST(Scram, WrongPasswordsAndUnknownUsersFailAlike) {
  auto wrong = client_settings();
  wrong.password = "pencils";
  const auto wrong_password = login(wrong, server_settings());
  auto unknown = server_settings();
  unknown.verifier = ScramVerifier::mock("nobody", "secret");
  const auto unknown_user = login(client_settings(), unknown);
  ASSERT_FALSE(wrong_password);
  ASSERT_FALSE(unknown_user);
  EXPECT_EQ(wrong_password.error(), unknown_user.error());
  EXPECT_EQ(wrong_password.error().code, ErrorCode::kAuthFailed);
}

TEST(Scram, ChannelBindingMustAgree) {
  struct Case {
    const char* name;
    Binding binding;
    const char* client_data;
    bool plus_offered, plus_selected;
    std::optional<ErrorCode> error;
  };
  const Case cases[] = {
      {"plain", Binding::kNone, "", false, false, {}},
      {"client that does not bind", Binding::kNone, "", true, false, {}},
      {"client that found no offer, and there was none", Binding::kNotOffered, "", false, false, {}},
      {"offer lost on the way", Binding::kNotOffered, "", true, false, ErrorCode::kAuthRejected},
      {"bound", Binding::kEndPoint, "certificate", true, true, {}},
      {"bound to another certificate", Binding::kEndPoint, "other", true, true, ErrorCode::kAuthRejected},
      {"PLUS without binding", Binding::kNone, "", true, true, ErrorCode::kProtocolViolation},
      {"binding without PLUS", Binding::kEndPoint, "certificate", true, false, ErrorCode::kProtocolViolation},
  };
  for (const Case& c : cases) {
    auto client = client_settings();
    client.binding = c.binding;
    client.binding_data = c.client_data;
    auto server = server_settings();
    server.plus_offered = c.plus_offered;
    server.plus_selected = c.plus_selected;
    server.binding_data = "certificate";
    const auto result = login(client, server);
    EXPECT_EQ(result.has_error() ? std::optional(result.error().code) : std::nullopt, c.error) << c.name;
  }
  ScramServer server({.verifier = verifier(), .nonce = "n", .plus_offered = true, .plus_selected = true});
  EXPECT_EQ(server.on_first("p=tls-unique,,n=,r=abc").error().code, ErrorCode::kProtocolViolation);
}

TEST(Scram, KeysOfOneLoginServeTheNextWithoutThePassword) {
  ScramClient client(client_settings());
  ScramServer server(server_settings());
  ASSERT_TRUE(login(client, server));
  auto from_client = client_settings();
  from_client.password.clear();
  from_client.keys = client.keys();
  EXPECT_TRUE(login(from_client, server_settings()));
  auto from_server = client_settings();
  from_server.password.clear();
  from_server.keys = server.client_keys();
  EXPECT_TRUE(login(from_server, server_settings())) << "what a client proved lets a proxy log in elsewhere";
}

TEST(Scram, KeysForAnotherSaltAreDerivedAnew) {
  auto client = client_settings();
  client.keys = ScramKeys::derive("pencil", "another salt", 1);
  EXPECT_TRUE(login(client, server_settings()));
}

TEST(Scram, KeysAloneFitOneSaltOnly) {
  auto client = client_settings();
  client.password.clear();
  client.keys_only = true;
  client.keys = ScramKeys::derive("pencil", "another salt", 1);
  ScramClient stranger(client);
  stranger.first();
  EXPECT_EQ(stranger.on_continue(kServerFirst).error().code, ErrorCode::kAuthFailed) << "never derived from no password";
  ScramClient first(client_settings());
  ScramServer server(server_settings());
  ASSERT_TRUE(login(first, server));
  client.keys = server.client_keys();
  EXPECT_TRUE(login(client, server_settings()));
}

TEST(Scram, MessagesOutOfOrderAreRefused) {
  ScramClient client(client_settings());
  EXPECT_EQ(client.on_continue(kServerFirst).error().code, ErrorCode::kInternal);
  EXPECT_EQ(client.on_final(kServerFinal).error().code, ErrorCode::kInternal);
  ScramServer server(server_settings());
  EXPECT_EQ(server.on_final(kClientFinal).error().code, ErrorCode::kInternal);
  ASSERT_TRUE(server.on_first(kClientFirst));
  EXPECT_EQ(server.on_first(kClientFirst).error().code, ErrorCode::kInternal);
  ASSERT_TRUE(server.on_final(kClientFinal));
  EXPECT_EQ(server.on_final(kClientFinal).error().code, ErrorCode::kInternal) << "a proof is good once";
}

TEST(Scram, UserNamesAreEscaped) {
  auto settings = client_settings();
  settings.user = "a,b=c";
  EXPECT_EQ(ScramClient(settings).first(), "n,,n=a=2Cb=3Dc,r=rOprNGfwEbeRWgbNEkqO");
}

}  // namespace
}  // namespace howdah::pgwire
