// rate_limits, blocks, databases.NAME.breaker.
#include <charconv>
#include <set>

#include "proxy/config/sections.h"
#include "sharding/sql/fingerprint.h"

namespace howdah::config {
namespace {

namespace sql = sharding::sql;
using std::chrono::hours;

constexpr auto kReload = Effect::kReload;

template <class T>
Field<T> fingerprint_field(std::uint64_t T::*member, std::string doc) {
  return {"fingerprint",
          "fingerprint",
          "16 hexadecimal digits",
          kReload,
          std::move(doc),
          [member](T& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (!text) return;
            if (const auto value = sql::parse_fingerprint(*text)) {
              out.*member = *value;
            } else {
              reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is no fingerprint: 16 hexadecimal digits, in quotes; `howdahctl fingerprint` prints them");
            }
          },
          [member](const T& from) { return from.*member == 0 ? std::string() : sql::fingerprint_text(from.*member); }};
}

// "10.0.0.0/8", "::1", "unix".
bool take_address(RateLimit& limit, const std::string& text) {
  limit.address = text;
  if (text == "unix") return true;
  const auto slash = text.find('/');
  const auto address = access::parse_address(std::string_view(text).substr(0, slash));
  if (!address) return false;
  unsigned length = static_cast<unsigned>(address->size() * 8);
  if (slash != std::string::npos) {
    const char* const end = text.data() + text.size();
    unsigned given = 0;
    const auto [stop, fault] = std::from_chars(text.data() + slash + 1, end, given);
    if (fault != std::errc() || stop != end || given > length) return false;
    length = given;
  }
  limit.range = address;
  limit.mask = access::prefix_mask(address->v6, length);
  return true;
}

Field<RateLimit> address_field() {
  auto field = text_field("address", &RateLimit::address, kReload, "Clients of this range only, as `10.0.0.0/8` or `::1`; `unix` is the socket in the file system.");
  field.type = "range";
  field.read = [](RateLimit& limit, Reader& reader, const Entry& entry) {
    const auto text = reader.take_text(entry);
    if (text && !take_address(limit, *text)) reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is no range of addresses");
  };
  return field;
}

}  // namespace

const Section<RateLimit>& rate_limit_section() {
  static const Section<RateLimit> section{
      text_field("name", &RateLimit::name, kReload, "How errors, SHOW LIMITS and metrics call it; else its place in the list, from 1."),
      text_field("user", &RateLimit::user, kReload, "Statements of this user only."),
      text_field("database", &RateLimit::database, kReload, "Statements in this database only."),
      address_field(),
      fingerprint_field(&RateLimit::fingerprint, "This statement only, whatever its values (`SHOW STATEMENTS`, `howdahctl fingerprint`)."),
      duration_field("window", &RateLimit::window, milliseconds(1), hours(24), kReload, "In which `max` statements may come."),
      integer_field("max", &RateLimit::max, 1, 10'000'000, kReload, "Statements per `window`.").must(),
      integer_field("burst", &RateLimit::burst, 0, 10'000'000, kReload,
                    "How many of them may come at once, after a pause; the others have to be spread evenly over the window. 0: all of them."),
      choice_field("per", &RateLimit::per,
                   Choices<LimitPer>{{"all", LimitPer::kAll}, {"user", LimitPer::kUser}, {"database", LimitPer::kDatabase},
                                     {"address", LimitPer::kAddress}, {"client", LimitPer::kClient}, {"fingerprint", LimitPer::kFingerprint}},
                   kReload, "Who has such a limit each: all that fit together, or each user, database, address, client connection or statement.")};
  return section;
}

const Section<Block>& block_section() {
  static const Section<Block> section{
      fingerprint_field(&Block::fingerprint, "The statement, whatever its values (`SHOW STATEMENTS`, `howdahctl fingerprint`).").must(),
      text_field("reason", &Block::reason, kReload, "What its clients are told.")};
  return section;
}

const Section<Breaker>& breaker_section() {
  static const Section<Breaker> section{
      integer_field("error_threshold_percentage", &Breaker::error_threshold_percentage, 0, 100, kReload,
                    "The breaker of a server opens when so many of a hundred things that happened there in the window were failures: "
                    "connections that failed or were lost, answers later than `timeout`; never errors in SQL. 0: no breaker."),
      duration_field("window", &Breaker::window, milliseconds(100), hours(1), kReload, "What is looked back on."),
      integer_field("minimum", &Breaker::minimum, 1, 1'000'000, kReload, "Fewer failures than this in the window prove nothing."),
      duration_field("timeout", &Breaker::timeout, milliseconds(0), hours(1), kReload,
                     "A statement without an answer after this time is a failure (it goes on all the same); 0: it may take any time."),
      duration_field("reset_timeout", &Breaker::reset_timeout, milliseconds(10), hours(1), kReload,
                     "How long a breaker stays open before one statement tries the server.")};
  return section;
}

void read_rate_limits(Config& config, Reader& reader, const Entry& entry) {
  const auto items = reader.take_list(entry);
  if (!items) return;
  std::set<std::string> names;
  for (const auto& item : *items) {
    RateLimit limit;
    read_section(reader, rate_limit_section(), item, limit);
    if (limit.name.empty()) limit.name = std::to_string(config.rate_limits.size() + 1);
    if (!names.insert(limit.name).second) reader.fault(item.line, item.path + ": name " + quoted(limit.name) + " is given twice");
    config.rate_limits.push_back(std::move(limit));
  }
}

void read_blocks(Config& config, Reader& reader, const Entry& entry) {
  const auto items = reader.take_list(entry);
  if (!items) return;
  for (const auto& item : *items) {
    Block block;
    read_section(reader, block_section(), item, block);
    config.blocks.push_back(std::move(block));
  }
}

}  // namespace howdah::config
