#include "sharding/merge/iso_time.h"

#include <limits>

namespace howdah::sharding {

namespace {

constexpr std::int64_t kDaysTo2000 = 10957;

class Reader {
 public:
  explicit Reader(Bytes text) : text_(text) {}

  bool skip(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // At least `least` and at most nine digits.
  std::optional<std::int64_t> number(std::size_t least) {
    std::int64_t out = 0;
    std::size_t count = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && count < 9) {
      out = out * 10 + (text_[at_++] - '0');
      ++count;
    }
    if (count < least) return std::nullopt;
    digits_ = count;
    return out;
  }
  std::size_t digits() const { return digits_; }
  bool ends_with(Bytes rest) const { return text_.substr(at_) == rest; }
  bool at_end() const { return at_ == text_.size(); }

 private:
  Bytes text_;
  std::size_t at_ = 0;
  std::size_t digits_ = 0;
};

// Days from 1970-01-01 in the proleptic Gregorian calendar.
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t of_era = year - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

}  // namespace

std::optional<std::int64_t> read_iso_time(Bytes text, IsoKind kind) {
  if (text == "infinity") return std::numeric_limits<std::int64_t>::max();
  if (text == "-infinity") return std::numeric_limits<std::int64_t>::min();
  Reader in(text);
  auto year = in.number(4);
  if (!year || !in.skip('-')) return std::nullopt;
  const auto month = in.number(2);
  if (!month || !in.skip('-')) return std::nullopt;
  const auto day = in.number(2);
  if (!day) return std::nullopt;
  std::int64_t seconds = 0, micros = 0;
  if (kind != IsoKind::kDate) {
    if (!in.skip(' ')) return std::nullopt;
    const auto hour = in.number(2);
    if (!hour || !in.skip(':')) return std::nullopt;
    const auto minute = in.number(2);
    if (!minute || !in.skip(':')) return std::nullopt;
    const auto second = in.number(2);
    if (!second) return std::nullopt;
    seconds = *hour * 3600 + *minute * 60 + *second;
    if (in.skip('.')) {
      auto fraction = in.number(1);
      if (!fraction || in.digits() > 6) return std::nullopt;
      for (std::size_t i = in.digits(); i < 6; ++i) *fraction *= 10;
      micros = *fraction;
    }
    if (kind == IsoKind::kTimestamptz) {
      const bool west = in.skip('-');
      if (!west && !in.skip('+')) return std::nullopt;
      auto offset = in.number(2);
      if (!offset) return std::nullopt;
      *offset *= 3600;
      if (in.skip(':')) {
        const auto minutes = in.number(2);
        if (!minutes) return std::nullopt;
        *offset += *minutes * 60;
        if (in.skip(':')) {
          const auto more = in.number(2);
          if (!more) return std::nullopt;
          *offset += *more;
        }
      }
      seconds += west ? *offset : -*offset;
    }
  }
  if (in.ends_with(" BC")) {
    year = 1 - *year;
  } else if (!in.at_end()) {
    return std::nullopt;
  }
  const std::int64_t days = days_from_civil(*year, *month, *day) - kDaysTo2000;
  return kind == IsoKind::kDate ? days : (days * 86400 + seconds) * 1000000 + micros;
}

}  // namespace howdah::sharding
