#include "proxy/access/userlist.h"

#include <set>

#include "drivers/pgwire/md5.h"
#include "drivers/pgwire/scram_verifier.h"

namespace howdah::access {

namespace {

constexpr std::size_t kNameLength = 63;

void skip_blanks(std::string_view& rest) {
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t' || rest.front() == '\r')) rest.remove_prefix(1);
}

bool take_quoted(std::string_view& rest, std::string& out) {
  if (rest.empty() || rest.front() != '"') return false;
  for (rest.remove_prefix(1); !rest.empty();) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c != '"') {
      out += c;
    } else if (!rest.empty() && rest.front() == '"') {
      out += c;
      rest.remove_prefix(1);
    } else {
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_verifier(std::string_view secret) {
  return pgwire::is_md5_verifier(secret) || pgwire::ScramVerifier::parse(secret).has_value();
}

Userlist parse_userlist(std::string_view text, const std::string& path) {
  Userlist list;
  std::set<std::string> seen;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = text.find('\n');
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    skip_blanks(rest);
    if (rest.empty() || rest.front() == ';') continue;
    ListedUser user;
    user.line = number;
    bool shaped = take_quoted(rest, user.name);
    skip_blanks(rest);
    shaped = shaped && take_quoted(rest, user.secret);
    if (!shaped || user.name.empty()) {
      list.faults.push_back({path, number, "a line is \"name\" \"secret\", both in double quotes"});
    } else if (user.name.size() > kNameLength) {
      list.faults.push_back({path, number, "a name has at most 63 bytes"});
    } else if (!seen.insert(user.name).second) {
      list.faults.push_back({path, number, "user \"" + user.name + "\" is given twice"});
    } else {
      list.users.push_back(std::move(user));
    }
  }
  return list;
}

}  // namespace howdah::access
