#include "proxy/config/values.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace howdah::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array kDurationUnits{Unit{"ms", 1},       Unit{"s", 1'000},     Unit{"m", 60'000},
                                    Unit{"min", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000},
                                    Unit{"", 1'000}};
constexpr std::array kSizeUnits{Unit{"", 1}, Unit{"B", 1}, Unit{"kB", 1 << 10}, Unit{"MB", 1 << 20},
                                Unit{"GB", 1 << 30}};

Error faulty(std::string message) {
  return make_error(ErrorCode::kConfig, std::move(message));
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// NUMBER[.FRACTION][ ]UNIT as a whole number of the smallest unit; nullptr in `unit` when the unit is
// unknown.
Result<std::int64_t> parse_quantity(std::string_view text, const Unit* first, const Unit* last,
                                    const char* expected) {
  text = trim(text);
  const auto digits_end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto whole = parse_integer({text.begin(), digits_end});
  if (!whole) return faulty(expected);
  auto rest = digits_end;
  std::int64_t fraction = 0;
  std::int64_t fraction_scale = 1;
  if (rest != text.end() && *rest == '.') {
    for (++rest; rest != text.end() && is_digit(*rest) && fraction_scale < 1'000'000; ++rest) {
      fraction = fraction * 10 + (*rest - '0');
      fraction_scale *= 10;
    }
    if (fraction_scale == 1) return faulty(expected);
  }
  const std::string_view name = trim({rest, text.end()});
  const Unit* unit = std::find_if(first, last, [&](const Unit& u) { return u.name == name; });
  if (unit == last) return faulty(expected);
  if (*whole > (std::numeric_limits<std::int64_t>::max() / unit->factor) - 1) return faulty("too large");
  if (fraction * unit->factor % fraction_scale != 0) return faulty("too fine a fraction");
  return *whole * unit->factor + fraction * unit->factor / fraction_scale;
}

// One "name = value" of a connection string; advances `text` past it.
Result<std::pair<std::string, std::string>> take_pair(std::string_view& text) {
  std::pair<std::string, std::string> pair;
  std::size_t at = 0;
  while (at < text.size() && text[at] != '=' && text[at] != ' ') pair.first += text[at++];
  while (at < text.size() && text[at] == ' ') ++at;
  if (at == text.size() || text[at] != '=') return faulty("expected \"=\" after \"" + pair.first + "\"");
  ++at;
  while (at < text.size() && text[at] == ' ') ++at;
  const bool quoted = at < text.size() && text[at] == '\'';
  if (quoted) ++at;
  bool closed = !quoted;
  while (at < text.size() && !(quoted ? text[at] == '\'' : text[at] == ' ')) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    pair.second += text[at++];
  }
  if (quoted && at < text.size()) closed = true, ++at;
  if (!closed) return faulty("unterminated quote");
  text.remove_prefix(at);
  return pair;
}

Result<void> set_ssl_mode(ServerTls& tls, const std::string& value) {
  static constexpr std::array<std::pair<std::string_view, SslMode>, 5> kModes{{{"disable", SslMode::kDisable},
                                                                               {"prefer", SslMode::kPrefer},
                                                                               {"require", SslMode::kRequire},
                                                                               {"verify-ca", SslMode::kVerifyCa},
                                                                               {"verify-full", SslMode::kVerifyFull}}};
  for (const auto& [word, mode] : kModes) {
    if (word != value) continue;
    tls.mode = mode;
    return {};
  }
  return faulty("sslmode is disable, prefer, require, verify-ca or verify-full, not \"" + value + "\"");
}

Result<void> set_server_value(Server& server, const std::string& name, const std::string& value,
                              bool& has_address) {
  static const std::vector<std::string> kKnown{"host",    "hostaddr",    "port",   "dbname",
                                               "sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding", "weight", "zone", "patroni"};
  if (name == "host" || name == "hostaddr") {
    if (value.empty()) return faulty(name + " is empty");
    if (value.find(',') != std::string::npos)
      return faulty("one server, one host: \"" + value + "\" names several");
    if (name == "hostaddr") {
      if (!server.name.empty()) server.name = server.host;
      server.host = value;
      has_address = true;
    } else if (has_address) {
      server.name = value;
    } else {
      server.host = server.name = value;
    }
    return {};
  }
  if (name == "port") {
    const auto port = parse_integer(value);
    if (!port || *port < 1 || *port > 65535)
      return faulty("port \"" + value + "\" is not a number from 1 to 65535");
    server.port = static_cast<std::uint16_t>(*port);
    return {};
  }
  if (name == "weight") {
    const auto weight = parse_integer(value);
    if (!weight || *weight > 1000) return faulty("weight \"" + value + "\" is not a number from 0 to 1000");
    server.weight = static_cast<std::uint32_t>(*weight);
    return {};
  }
  if (name == "zone") {
    server.zone = value;
    return {};
  }
  if (name == "patroni") {
    if (!value.starts_with("http://") || value.find(':', 7) == std::string::npos) return faulty("patroni \"" + value + "\" is not http://host:port");
    server.patroni = value.substr(0, value.find('/', 7));
    return {};
  }
  if (name == "dbname") {
    server.dbname = value;
    return {};
  }
  if (name == "sslmode") return set_ssl_mode(server.tls, value);
  if (name == "sslrootcert" || name == "sslcert" || name == "sslkey") {
    if (value.empty()) return faulty(name + " is empty");
    (name == "sslrootcert" ? server.tls.root_cert : name == "sslcert" ? server.tls.cert : server.tls.key) = value;
    return {};
  }
  if (name == "channel_binding") {
    if (value != "prefer" && value != "require")
      return faulty("channel_binding is prefer or require, not \"" + value + "\"");
    server.tls.require_binding = value == "require";
    return {};
  }
  if (name == "user" || name == "password")
    return faulty("\"" + name + "\" belongs under users or control, not here");
  const auto close = nearest(name, kKnown);
  return faulty(
      "unknown parameter \"" + name + "\"" +
      (close.empty() ? " (known: host, hostaddr, port, dbname, sslmode, sslrootcert, sslcert, sslkey, channel_binding, weight, zone, patroni)" : "; did you mean \"" + close + "\"?"));
}

}  // namespace

Result<std::int64_t> parse_integer(std::string_view text) {
  if (text.empty() || text.size() > 18 || !std::all_of(text.begin(), text.end(), is_digit)) {
    return faulty("not a whole number");
  }
  std::int64_t value = 0;
  for (char c : text) value = value * 10 + (c - '0');
  return value;
}

Result<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return faulty("neither true nor false");
}

Result<milliseconds> parse_duration(std::string_view text) {
  const auto value = parse_quantity(text, kDurationUnits.begin(), kDurationUnits.end(),
                                    "not a duration such as 30s, 500ms, 5m or a number of seconds");
  if (!value) return value.error();
  return milliseconds(*value);
}

Result<std::int64_t> parse_time(std::string_view text) {
  const Error expected = faulty("not a time such as 2030-12-31 or 2030-12-31 18:00:00+01");
  text = trim(text);
  if (text == "infinity") return std::numeric_limits<std::int64_t>::max();
  const auto take_number = [&](std::size_t digits, int& out) {
    if (text.size() < digits || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(digits), is_digit)) return false;
    out = 0;
    for (const char c : text.substr(0, digits)) out = out * 10 + (c - '0');
    text.remove_prefix(digits);
    return true;
  };
  const auto take = [&](std::string_view any_of) {
    if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
  };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
  if (!take_number(4, year) || !take("-") || !take_number(2, month) || !take("-") || !take_number(2, day)) return expected;
  if (take(" T")) {
    if (!take_number(2, hour) || !take(":") || !take_number(2, minute)) return expected;
    if (take(":") && !take_number(2, second)) return expected;
    const bool east = text.starts_with('+');
    if (take("+-")) {
      int hours = 0, minutes = 0;
      if (!take_number(2, hours)) return expected;
      if (take(":") && !take_number(2, minutes)) return expected;
      if (hours > 15 || minutes > 59) return expected;
      offset = (east ? 1 : -1) * (hours * 3600 + minutes * 60);
    } else {
      take("Z");
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!text.empty() || !date.ok() || hour > 23 || minute > 59 || second > 59) return expected;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400 + hour * 3600 + minute * 60 + second - offset;
}

Result<std::int64_t> parse_size(std::string_view text) {
  return parse_quantity(text, kSizeUnits.begin(), kSizeUnits.end(),
                        "not a size such as 64kB, 16MB or a number of bytes");
}

Result<Server> parse_server(std::string_view text) {
  if (text.starts_with("postgres://") || text.starts_with("postgresql://")) {
    return faulty("write a server as \"host=... port=...\", not as a URI");
  }
  Server server;
  bool has_address = false;
  std::vector<std::string> seen;
  for (text = trim(text); !text.empty(); text = trim(text)) {
    auto pair = take_pair(text);
    if (!pair) return pair.error();
    if (std::find(seen.begin(), seen.end(), pair->first) != seen.end())
      return faulty("\"" + pair->first + "\" is given twice");
    seen.push_back(pair->first);
    if (auto set = set_server_value(server, pair->first, pair->second, has_address); !set) return set.error();
  }
  if (seen.empty()) return faulty("write a server as \"host=... port=...\"");
  if (server.name == server.host) server.name.clear();
  return server;
}

std::string show_duration(milliseconds duration) {
  const auto count = duration.count();
  if (count == 0) return "0";
  return count % 1000 == 0 ? std::to_string(count / 1000) + "s" : std::to_string(count) + "ms";
}

int edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > 64 || b.size() > 64) return 64;  // no typing error of a key of ours
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({row[j - 1] + 1, above + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace howdah::config
