// Users and their secrets, in the format of PgBouncer's auth_file.
//
//   line := "\"" name "\"" blanks "\"" secret "\"" anything     "" inside stands for one quote; ; begins a comment line
//
// https://www.pgbouncer.org/config.html#authentication-file-format
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/access/lines.h"

namespace howdah::access {

struct ListedUser {
  std::string name;
  std::string secret;  // plain, "md5..." or a SCRAM verifier; empty: no password fits
  int line = 0;
};

struct Userlist {
  std::vector<ListedUser> users;
  std::vector<FileFault> faults;
};

// Whether a secret is an md5 hash or a SCRAM verifier rather than the password itself.
bool is_verifier(std::string_view secret);

Userlist parse_userlist(std::string_view text, const std::string& path);

}  // namespace howdah::access
