#include "drivers/pgwire/md5.h"

#include <algorithm>

#include "drivers/pgwire/crypto.h"

namespace howdah::pgwire {
namespace {

constexpr Bytes kPrefix = "md5";
constexpr std::size_t kVerifierSize = 35;

std::string prefixed_md5(std::string data) {
  const std::string hex = md5_hex(data);
  return hex.empty() ? hex : std::string(kPrefix) + hex;
}

}  // namespace

bool is_md5_verifier(Bytes text) {
  return text.size() == kVerifierSize && text.starts_with(kPrefix) &&
         text.find_first_not_of("0123456789abcdef", kPrefix.size()) == Bytes::npos;
}

std::string md5_verifier(Bytes user, Bytes password) {
  return prefixed_md5(std::string(password).append(user));
}

std::string md5_response(Bytes verifier, Md5Salt salt) {
  if (!is_md5_verifier(verifier)) return {};
  return prefixed_md5(std::string(verifier.substr(kPrefix.size())).append(salt.data(), salt.size()));
}

std::string md5_password(Bytes user, Bytes password, Md5Salt salt) {
  return md5_response(md5_verifier(user, password), salt);
}

bool check_md5_response(Bytes verifier, Md5Salt salt, Bytes response) {
  const std::string expected = md5_response(verifier, salt);
  return !expected.empty() && equal_constant_time(expected, response);
}

}  // namespace howdah::pgwire
