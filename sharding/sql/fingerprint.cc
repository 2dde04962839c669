#include "sharding/sql/fingerprint.h"

#include <pg_query.h>

#include <charconv>

namespace howdah::sharding::sql {

Fingerprint fingerprint_of(std::string_view sql) {
  if (sql.find('\0') != std::string_view::npos) return 0;
  const PgQueryFingerprintResult result = pg_query_fingerprint(std::string(sql).c_str());
  const Fingerprint fingerprint = result.error == nullptr ? result.fingerprint : 0;
  pg_query_free_fingerprint_result(result);
  return fingerprint;
}

std::string fingerprint_text(Fingerprint fingerprint) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; fingerprint >>= 4) text[i] = digits[fingerprint & 15];
  return text;
}

std::optional<Fingerprint> parse_fingerprint(std::string_view text) {
  Fingerprint value = 0;
  if (text.size() != 16) return std::nullopt;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace howdah::sharding::sql
