#include "drivers/pgwire/authentication.h"

#include "drivers/pgwire/tests/message_cases.h"

namespace howdah::pgwire {
namespace {

using namespace testing;

const Bytes kMechanisms[] = {kScramSha256Plus, kScramSha256};

template <AuthKind kKind>
bool reads(Bytes body) {
  Authentication m;
  if (!decode(body, m)) return false;
  EXPECT_EQ(m.kind, kKind);
  return true;
}

const MessageCase kMessages[] = {
    {"Ok", "R\0\0\0\x08\0\0\0\0"sv, append_authentication_ok, reads<AuthKind::kOk>},
    {"CleartextPassword", "R\0\0\0\x08\0\0\0\3"sv, append_authentication_cleartext,
     reads<AuthKind::kCleartext>},
    {"MD5Password", "R\0\0\0\x0c\0\0\0\5salt"sv,
     [](std::string& out) {
       append_authentication_md5(out, {'s', 'a', 'l', 't'});
     },
     [](Bytes body) {
       Authentication m;
       if (!decode(body, m)) return false;
       EXPECT_EQ(m.md5_salt(), (Md5Salt{'s', 'a', 'l', 't'}));
       return true;
     }},
    {"SASL", "R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv,
     [](std::string& out) { append_authentication_sasl(out, kMechanisms); },
     [](Bytes body) {
       Authentication m;
       if (!decode(body, m)) return false;
       EXPECT_TRUE(m.offers(kScramSha256));
       EXPECT_TRUE(m.offers(kScramSha256Plus));
       EXPECT_FALSE(m.offers("SCRAM-SHA"));
       EXPECT_FALSE(m.offers(""));
       return true;
     }},
    {"SASLContinue", "R\0\0\0\x0b\0\0\0\x0br=x"sv,
     [](std::string& out) { append_authentication_sasl_continue(out, "r=x"); },
     reads<AuthKind::kSaslContinue>, true, 4},
    {"SASLFinal", "R\0\0\0\x0b\0\0\0\x0cv=x"sv,
     [](std::string& out) { append_authentication_sasl_final(out, "v=x"); }, reads<AuthKind::kSaslFinal>,
     true, 4},
};

TEST(Authentication, RequestsAreWrittenAndReadAsTheManualSays) {
  expect_table_holds(kMessages);
}

TEST(Authentication, KindsThatDoNotExistAreMalformed) {
  for (const std::int32_t kind : {1, 4, 13, -1, 1 << 30}) {
    std::string body;
    append_be(body, kind);
    Authentication m;
    EXPECT_FALSE(decode(body, m)) << kind;
  }
}

TEST(Authentication, AListOfMechanismsNamesAtLeastOne) {
  Authentication m;
  EXPECT_FALSE(decode("\0\0\0\x0a\0"sv, m));
  EXPECT_FALSE(decode("\0\0\0\x0aX\0\0Y\0\0"sv, m)) << "names behind the end of the list";
}

}  // namespace
}  // namespace howdah::pgwire
