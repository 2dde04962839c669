#include "drivers/pgwire/authentication.h"

#include <algorithm>

#include "drivers/pgwire/message_writer.h"
#include "drivers/pgwire/types.h"

namespace howdah::pgwire {
namespace {

// At least one name, then an empty one as the last byte.
bool is_mechanism_list(Bytes payload) {
  ByteReader reader(payload);
  int names = 0;
  for (Bytes name; reader.read_cstring(name); ++names) {
    if (name.empty()) return names > 0 && reader.at_end();
  }
  return false;
}

bool has_shape(AuthKind kind, Bytes payload) {
  switch (kind) {
    case AuthKind::kOk:
    case AuthKind::kKerberosV5:
    case AuthKind::kCleartext:
    case AuthKind::kScmCredential:
    case AuthKind::kGss:
    case AuthKind::kSspi:
      return payload.empty();
    case AuthKind::kMd5:
      return payload.size() == 4;
    case AuthKind::kSasl:
      return is_mechanism_list(payload);
    case AuthKind::kGssContinue:
    case AuthKind::kSaslContinue:
    case AuthKind::kSaslFinal:
      return true;
  }
  return false;
}

void append_kind(std::string& out, AuthKind kind, Bytes payload = {}) {
  MessageWriter message(out, be::kAuthentication);
  message.int32(static_cast<std::int32_t>(kind));
  message.raw(payload);
}

}  // namespace

Md5Salt Authentication::md5_salt() const {
  Md5Salt salt{};
  std::copy_n(payload.begin(), std::min(payload.size(), salt.size()), salt.begin());
  return salt;
}

bool Authentication::offers(Bytes mechanism) const {
  if (kind != AuthKind::kSasl) return false;
  ByteReader reader(payload);
  for (Bytes name; reader.read_cstring(name) && !name.empty();) {
    if (name == mechanism) return true;
  }
  return false;
}

bool decode(Bytes body, Authentication& out) {
  ByteReader reader(body);
  std::int32_t kind = 0;
  if (!reader.read(kind)) return false;
  out.kind = static_cast<AuthKind>(kind);
  out.payload = reader.rest();
  return has_shape(out.kind, out.payload);
}

void append_authentication_ok(std::string& out) {
  append_kind(out, AuthKind::kOk);
}

void append_authentication_cleartext(std::string& out) {
  append_kind(out, AuthKind::kCleartext);
}

void append_authentication_md5(std::string& out, Md5Salt salt) {
  append_kind(out, AuthKind::kMd5, Bytes(salt.data(), salt.size()));
}

void append_authentication_sasl(std::string& out, std::span<const Bytes> mechanisms) {
  MessageWriter message(out, be::kAuthentication);
  message.int32(static_cast<std::int32_t>(AuthKind::kSasl));
  for (const Bytes mechanism : mechanisms) message.cstring(mechanism);
  message.byte('\0');
}

void append_authentication_sasl_continue(std::string& out, Bytes data) {
  append_kind(out, AuthKind::kSaslContinue, data);
}

void append_authentication_sasl_final(std::string& out, Bytes data) {
  append_kind(out, AuthKind::kSaslFinal, data);
}

}  // namespace howdah::pgwire
