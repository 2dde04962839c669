#include "proxy/access/hba.h"

#include <gtest/gtest.h>

#include <map>

namespace howdah::access {
namespace {

const FileReader kNoFiles = [](const std::string&) { return std::nullopt; };

std::vector<HbaRule> rules_of(std::string_view text, const FileReader& read = kNoFiles) {
  auto file = parse_hba(text, "hba.conf", read);
  for (const auto& fault : file.faults) ADD_FAILURE() << fault.line << ": " << fault.message;
  return file.rules;
}

struct From {
  std::string user = "app";
  std::string database = "app";
  std::string address = "10.1.2.3";  // empty: the unix socket
  bool tls = false;
  bool replication = false;
};

HbaClient client_of(const From& from) {
  HbaClient client{.user = from.user, .database = from.database, .replication = from.replication,
                   .local = from.address.empty(), .tls = from.tls};
  if (!client.local) client.address = parse_address(from.address).value();
  return client;
}

// The method of the rule that fits, or "none".
std::string judge(std::string_view text, const From& from, const std::vector<Interface>& interfaces = {}) {
  const auto rules = rules_of(text);
  const HbaRule* rule = find_rule(rules, client_of(from), interfaces);
  return rule == nullptr ? "none" : std::string(to_string(rule->method));
}

TEST(Hba, TakesTheFirstRuleThatFits) {
  const char* text = "# a comment\n\nhost all app 10.0.0.0/8 md5\nhost all all all reject # another\n";
  EXPECT_EQ(judge(text, {}), "md5");
  EXPECT_EQ(judge(text, {.user = "other"}), "reject");
  EXPECT_EQ(judge(text, {.address = "11.0.0.1"}), "reject");
  EXPECT_EQ(judge(text, {.address = ""}), "none") << "host lines are not about the unix socket";
}

TEST(Hba, TellsTypesOfConnectionsApart) {
  const char* text = "local all all peer\nhostssl all all all scram-sha-256\nhostnossl all all all password\n";
  EXPECT_EQ(judge(text, {.address = ""}), "peer");
  EXPECT_EQ(judge(text, {.tls = true}), "scram-sha-256");
  EXPECT_EQ(judge(text, {.tls = false}), "password");
  EXPECT_EQ(judge("hostnogssenc all all all trust", {}), "trust") << "GSS encryption is never used";
}

TEST(Hba, ReadsDatabaseKeywordsAndLists) {
  const char* text = "host shop,sameuser all all trust\nhost \"all\" all all md5\nhost replication all all password\n";
  EXPECT_EQ(judge(text, {.database = "shop"}), "trust");
  EXPECT_EQ(judge(text, {.user = "me", .database = "me"}), "trust");
  EXPECT_EQ(judge(text, {.database = "all"}), "md5") << "a quoted keyword is a name";
  EXPECT_EQ(judge(text, {.database = "replication"}), "none") << "the keyword is no database's name";
  EXPECT_EQ(judge(text, {.replication = true}), "password");
  EXPECT_EQ(judge("host all all all trust", {.replication = true}), "none") << "all does not cover replication";
}

TEST(Hba, ReadsQuotedNamesAsTheyAre) {
  const char* text = "host \"my db\" \"a,b\",\"say \"\"hi\"\"\",\"+plus\" all trust";
  EXPECT_EQ(judge(text, {.user = "a,b", .database = "my db"}), "trust");
  EXPECT_EQ(judge(text, {.user = "say \"hi\"", .database = "my db"}), "trust");
  EXPECT_EQ(judge(text, {.user = "+plus", .database = "my db"}), "trust");
  EXPECT_EQ(judge(text, {.user = "a", .database = "my db"}), "none");
  EXPECT_EQ(judge("host all \"all\" all trust", {}), "none");
  EXPECT_EQ(judge("host all App all trust", {}), "none") << "names are compared as they are";
}

TEST(Hba, GoesOnAfterACommaAndABackslash) {
  EXPECT_EQ(judge("host one, two,app all all trust", {}), "trust");
  EXPECT_EQ(judge("host all \\\n  app 10.0.0.0/8 \\\n trust\n", {}), "trust");
  EXPECT_EQ(rules_of("\n\nhost all \\\n all all trust\n").front().line, 3);
}

TEST(Hba, MatchesRangesOfBothFamilies) {
  EXPECT_EQ(judge("host all all 10.1.2.0/24 trust", {}), "trust");
  EXPECT_EQ(judge("host all all 10.1.2.0/25 trust", {.address = "10.1.2.200"}), "none");
  EXPECT_EQ(judge("host all all 10.1.2.0 255.255.255.0 trust", {}), "trust");
  EXPECT_EQ(judge("host all all 10.1.2.4/32 trust", {}), "none");
  EXPECT_EQ(judge("host all all 0.0.0.0/0 trust", {.address = "2001:db8::1"}), "none");
  EXPECT_EQ(judge("host all all 2001:db8::/32 trust", {.address = "2001:db8:1::1"}), "trust");
  EXPECT_EQ(judge("host all all 2001:db8::/33 trust", {.address = "2001:db8:8000::1"}), "none");
  EXPECT_EQ(judge("host all all ::/0 trust", {}), "none");
}

TEST(Hba, SeesMappedAddressesAsIpv4) {
  const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
  EXPECT_EQ(address_from_bytes(mapped, 16).to_string(), "10.1.2.3");
  EXPECT_EQ(address_from_bytes(mapped + 12, 4).to_string(), "10.1.2.3");
}

TEST(Hba, KnowsItsOwnHostAndNet) {
  const std::vector<Interface> own = {{parse_address("10.1.2.9").value(), prefix_mask(false, 24)}};
  EXPECT_EQ(judge("host all all samehost trust", {.address = "10.1.2.9"}, own), "trust");
  EXPECT_EQ(judge("host all all samehost trust", {.address = "10.1.2.8"}, own), "none");
  EXPECT_EQ(judge("host all all samenet trust", {.address = "10.1.2.8"}, own), "trust");
  EXPECT_EQ(judge("host all all samenet trust", {.address = "10.1.3.8"}, own), "none");
  EXPECT_TRUE(parse_hba("host all all samenet trust", "hba.conf", kNoFiles).needs_interfaces);
  EXPECT_FALSE(parse_hba("host all all all trust", "hba.conf", kNoFiles).needs_interfaces);
}

TEST(Hba, ReadsNamesFromFiles) {
  const std::map<std::string, std::string> files = {{"/etc/names", "one, two\nthree # four\n@more\n"}, {"/etc/more", "app"}};
  const FileReader read = [&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  };
  const auto file = parse_hba("host all @names all trust\nhost all @none all trust", "/etc/hba.conf", read);
  ASSERT_EQ(file.rules.size(), 1u);
  EXPECT_EQ(file.rules[0].users.size(), 4u);
  ASSERT_EQ(file.faults.size(), 1u);
  EXPECT_EQ(file.faults[0].message, "@none: cannot read file /etc/none");
  const FileReader loop = [](const std::string&) { return std::optional<std::string>("@again"); };
  EXPECT_FALSE(parse_hba("host all @again all trust", "/etc/hba.conf", loop).faults.empty());
}

TEST(Hba, ReadsOptions) {
  const auto rules = rules_of(
      "hostssl all all all cert map=certs clientname=DN\nhostssl all all all scram-sha-256 clientcert=verify-ca\nlocal all all peer map=os\n");
  EXPECT_EQ(rules[0].map, "certs");
  EXPECT_TRUE(rules[0].distinguished_name);
  EXPECT_EQ(rules[0].client_cert, ClientCert::kVerifyFull) << "what cert means";
  EXPECT_EQ(rules[1].client_cert, ClientCert::kVerifyCa);
  EXPECT_EQ(rules[2].map, "os");
}

TEST(Hba, RefusesInPostgresqlsWords) {
  const HbaRule rule;
  EXPECT_EQ(refusal(nullptr, client_of({})).message,
            "no pg_hba.conf entry for host \"10.1.2.3\", user \"app\", database \"app\", no encryption");
  EXPECT_EQ(refusal(&rule, client_of({.tls = true})).message,
            "pg_hba.conf rejects connection for host \"10.1.2.3\", user \"app\", database \"app\", SSL encryption");
  EXPECT_EQ(refusal(nullptr, client_of({.address = ""})).message,
            "no pg_hba.conf entry for host \"[local]\", user \"app\", database \"app\", no encryption");
  EXPECT_EQ(refusal(nullptr, client_of({.replication = true})).message,
            "no pg_hba.conf entry for replication connection from host \"10.1.2.3\", user \"app\", no encryption");
}

}  // namespace
}  // namespace howdah::access
