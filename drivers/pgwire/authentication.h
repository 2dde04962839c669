// Authentication requests: what a server sends between the startup packet and ReadyForQuery.
//
//   Authentication R  kind:int32 payload
//     Ok 0; KerberosV5 2; CleartextPassword 3; MD5Password 5 salt:byte[4]; SCMCredential 6; GSS 7;
//     GSSContinue 8 byte[n]; SSPI 9; SASL 10 (mechanism:string)* 0; SASLContinue 11 byte[n];
//     SASLFinal 12 byte[n]
//
// https://www.postgresql.org/docs/15/protocol-message-formats.html
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"

namespace howdah::pgwire {

enum class AuthKind : std::int32_t {
  kOk = 0,
  kKerberosV5 = 2,
  kCleartext = 3,
  kMd5 = 5,
  kScmCredential = 6,
  kGss = 7,
  kGssContinue = 8,
  kSspi = 9,
  kSasl = 10,
  kSaslContinue = 11,
  kSaslFinal = 12,
};

inline constexpr Bytes kScramSha256 = "SCRAM-SHA-256";
inline constexpr Bytes kScramSha256Plus = "SCRAM-SHA-256-PLUS";

using Md5Salt = std::array<char, 4>;

struct Authentication {
  AuthKind kind = AuthKind::kOk;
  Bytes payload;  // the salt, the mechanisms with their zeros, or the SASL data

  // kMd5: the salt.
  Md5Salt md5_salt() const;
  // kSasl: whether the server's list names this mechanism.
  bool offers(Bytes mechanism) const;
};

// False for a kind that does not exist, or a payload that is not of the kind's shape.
bool decode(Bytes body, Authentication& out);

void append_authentication_ok(std::string& out);
void append_authentication_cleartext(std::string& out);
void append_authentication_md5(std::string& out, Md5Salt salt);
void append_authentication_sasl(std::string& out, std::span<const Bytes> mechanisms);
void append_authentication_sasl_continue(std::string& out, Bytes data);
void append_authentication_sasl_final(std::string& out, Bytes data);

}  // namespace howdah::pgwire
