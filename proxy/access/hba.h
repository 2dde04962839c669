// Who may connect from where, and how they prove who they are: the rules of a file in pg_hba.conf's format.
//
//   rule    := type database user [address [mask]] method [option=value]*
//   type    := local | host | hostssl | hostnossl | hostnogssenc      (hostgssenc: refused, there is no GSS here)
//   address := all | samehost | samenet | IP/bits | IP mask           (not with local; names: refused)
//   method  := trust | reject | scram-sha-256 | md5 | password | cert | peer
//   option  := map=NAME | clientcert=verify-ca|verify-full | clientname=CN|DN
//
// The first rule that fits counts; there is no second try.
// https://www.postgresql.org/docs/15/auth-pg-hba-conf.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/access/ip_address.h"
#include "proxy/access/lines.h"

namespace howdah::access {

enum class HbaType : std::uint8_t { kLocal, kHost, kHostSsl, kHostNoSsl };
enum class HbaMethod : std::uint8_t { kTrust, kReject, kScram, kMd5, kPassword, kCert, kPeer };
enum class ClientCert : std::uint8_t { kNotAsked, kVerifyCa, kVerifyFull };

struct HbaRange {
  enum Kind : std::uint8_t { kAll, kMask, kSameHost, kSameNet };
  Kind kind = kAll;
  IpAddress address;
  IpAddress mask;
};

struct HbaRule {
  HbaType type = HbaType::kHost;
  Field databases;
  Field users;
  HbaRange range;
  HbaMethod method = HbaMethod::kReject;
  std::string map;                              // of user names, for cert and peer; empty: names must be equal
  ClientCert client_cert = ClientCert::kNotAsked;  // cert implies kVerifyFull
  bool distinguished_name = false;              // compare the certificate's whole subject, not its common name
  int line = 0;                                 // in its file
};

// A connection as the rules see it.
struct HbaClient {
  std::string_view user;
  std::string_view database;
  bool replication = false;  // physical replication names no database
  bool local = false;        // over the unix socket
  bool tls = false;
  IpAddress address;         // unless local
};

struct HbaFile {
  std::vector<HbaRule> rules;
  std::vector<FileFault> faults;
  bool needs_interfaces = false;  // a rule says samehost or samenet
};

// All faults at once. Pure, apart from what `read` does for "@file".
HbaFile parse_hba(std::string_view text, const std::string& path, const FileReader& read);

// The first rule that fits, or null. `interfaces`: this machine's addresses; needed when needs_interfaces.
const HbaRule* find_rule(const std::vector<HbaRule>& rules, const HbaClient& client,
                         const std::vector<Interface>& interfaces);

// What a client is told that no rule lets in (null) or that a rule rejects, in PostgreSQL's words: 28000.
Error refusal(const HbaRule* rule, const HbaClient& client);

std::string_view to_string(HbaMethod method);

}  // namespace howdah::access
