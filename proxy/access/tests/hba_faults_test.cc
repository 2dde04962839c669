// What is not supported is a fault with its line, never a rule that fits too much or too little.
#include <gtest/gtest.h>

#include "proxy/access/hba.h"

namespace howdah::access {
namespace {

// The one fault of a line that stands third in its file.
std::string fault_of(const std::string& line) {
  const auto file = parse_hba("host all all all trust\n\n" + line + "\n", "hba.conf",
                              [](const std::string&) { return std::nullopt; });
  if (file.faults.size() != 1) return std::to_string(file.faults.size()) + " faults";
  EXPECT_EQ(file.faults[0].line, 3) << line;
  EXPECT_EQ(file.faults[0].file, "hba.conf");
  EXPECT_EQ(file.rules.size(), 1u) << "no rule is made of a faulty line: " << line;
  return file.faults[0].message;
}

bool says(const std::string& line, const std::string& part) {
  const std::string message = fault_of(line);
  if (message.find(part) != std::string::npos) return true;
  ADD_FAILURE() << line << ": " << message;
  return false;
}

TEST(HbaFaults, NamesWhatIsNotSupported) {
  says("hostgssenc all all all trust", "hostgssenc can never match");
  says("host samerole all all trust", "samerole is not supported");
  says("host samegroup all all trust", "samegroup is not supported");
  says("host all +admins all trust", "\"+admins\" is not supported");
  says("host all /^app all trust", "regular expressions are not supported");
  says("host \"/^db\" all all trust", "regular expressions are not supported");
  says("host all all db.example.com trust", "names are not supported");
  says("host all all .example.com trust", "names are not supported");
  says("include other.conf", "\"include\" is not supported");
  for (const char* method : {"gss", "sspi", "ident", "ldap", "radius", "pam", "bsd"})
    says(std::string("host all all all ") + method, std::string("\"") + method + "\" is not supported");
  says("host all all all pam pamservice=x", "\"pam\" is not supported");
}

TEST(HbaFaults, NamesWhatIsWrong) {
  says("tcp all all all trust", "invalid connection type \"tcp\"");
  says("host", "ends before its database");
  says("host all", "ends before its user");
  says("host all all", "ends before its address");
  says("host all all all", "ends before its authentication method");
  says("host all all all scram", "invalid authentication method \"scram\"");
  says("host all all 10.0.0.0/33 trust", "invalid CIDR mask");
  says("host all all 10.0.0.0/ trust", "invalid CIDR mask");
  says("host all all 10.0.0.0/-1 trust", "invalid CIDR mask");
  says("host all all 2001:db8::/129 trust", "invalid CIDR mask");
  says("host all all 10.0.0.0 trust", "invalid IP mask \"trust\"");
  says("host all all 10.0.0.0 ffff:: trust", "do not match");
  says("host all all 10.0.0.0/8,11.0.0.0/8 trust", "is a list");
  says("host all all 10.0.0 trust", "is not an IP address");
  says("host all \"app all trust", "a quote is not closed") ;
}

TEST(HbaFaults, KeepsMethodsToTheirConnections) {
  says("host all all all peer", "peer is only supported on local");
  says("host all all all cert", "cert is only supported on hostssl");
  says("local all all cert", "cert is only supported on hostssl");
}

TEST(HbaFaults, KnowsItsOptions) {
  says("host all all all md5 map=x", "map is only for");
  says("host all all all md5 clientcert=verify-ca", "clientcert is only for hostssl");
  says("hostssl all all all md5 clientcert=1", "verify-ca or verify-full");
  says("hostssl all all all cert clientcert=verify-ca", "contradicts");
  says("hostssl all all all cert clientname=SAN", "clientname is CN or DN");
  says("host all all all md5 foo=bar", "option \"foo\" is not supported");
  says("host all all all md5 foo", "not of the form name=value");
}

TEST(HbaFaults, TellsAllAtOnce) {
  const auto file = parse_hba("host\nhost all all all trust\nhost all all all no\n", "hba.conf",
                              [](const std::string&) { return std::nullopt; });
  ASSERT_EQ(file.faults.size(), 2u);
  EXPECT_EQ(file.faults[0].line, 1);
  EXPECT_EQ(file.faults[1].line, 3);
}

TEST(HbaFaults, FindsAFileWithoutRules) {
  const auto file = parse_hba("# nothing\n", "hba.conf", [](const std::string&) { return std::nullopt; });
  ASSERT_EQ(file.faults.size(), 1u);
}

}  // namespace
}  // namespace howdah::access
