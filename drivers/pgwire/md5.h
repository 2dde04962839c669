// PostgreSQL's md5 authentication, for both roles.
//
//   verifier := "md5" hex(md5(password user))              what pg_authid.rolpassword holds
//   response := "md5" hex(md5(verifier's hex salt))        what PasswordMessage carries; salt is 4 bytes
//
// https://www.postgresql.org/docs/15/auth-password.html
// Every function answers with an empty string, or false, when libcrypto has no MD5 (FIPS mode).
#pragma once

#include <string>

#include "drivers/pgwire/authentication.h"

namespace howdah::pgwire {

// "md5" and 32 lower-case hex digits.
bool is_md5_verifier(Bytes text);

std::string md5_verifier(Bytes user, Bytes password);

// The response of one who holds the verifier. REQUIRES: is_md5_verifier(verifier).
std::string md5_response(Bytes verifier, Md5Salt salt);

// The response of one who holds the password.
std::string md5_password(Bytes user, Bytes password, Md5Salt salt);

// Whether a client's response is right, in constant time.
bool check_md5_response(Bytes verifier, Md5Salt salt, Bytes response);

}  // namespace howdah::pgwire
