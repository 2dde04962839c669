#include "drivers/pgwire/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

namespace howdah::pgwire {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const unsigned char* as_octets(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  for (auto& value : values) value = -1;
  for (int i = 0; i < 64; ++i) values[static_cast<unsigned char>(kBase64[i])] = static_cast<signed char>(i);
  return values;
}

constexpr auto kBase64Values = make_base64_values();

}  // namespace

Sha256Digest sha256(Bytes data) {
  Sha256Digest digest{};
  SHA256(as_octets(data), data.size(), digest.data());
  return digest;
}

Sha256Digest hmac_sha256(Bytes key, Bytes data) {
  Sha256Digest digest{};
  // A null key means "the key of before" to HMAC().
  HMAC(EVP_sha256(), key.empty() ? "" : key.data(), static_cast<int>(key.size()), as_octets(data),
       data.size(), digest.data(), nullptr);
  return digest;
}

Sha256Digest pbkdf2_sha256(Bytes password, Bytes salt, int iterations) {
  Sha256Digest digest{};
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), as_octets(salt),
                    static_cast<int>(salt.size()), iterations, EVP_sha256(), static_cast<int>(digest.size()),
                    digest.data());
  return digest;
}

Sha256Digest exclusive_or(const Sha256Digest& a, const Sha256Digest& b) {
  Sha256Digest result{};
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<unsigned char>(a[i] ^ b[i]);
  return result;
}

std::string md5_hex(Bytes data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) return {};
  std::string hex;
  hex.reserve(2 * std::size_t{size});
  for (unsigned i = 0; i < size; ++i) {
    hex.push_back(kHex[digest[i] >> 4]);
    hex.push_back(kHex[digest[i] & 15]);
  }
  return hex;
}

bool equal_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string base64_encode(Bytes data) {
  std::string text;
  text.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < data.size() ? static_cast<unsigned char>(data[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text.push_back(i + k <= data.size() ? kBase64[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return text;
}

std::optional<std::string> base64_decode(Bytes text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string data;
  data.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    data.push_back(static_cast<char>(bits >> count & 0xff));
  }
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;  // bits that no encoder leaves
  return data;
}

}  // namespace howdah::pgwire
