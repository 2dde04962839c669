#include "sharding/router.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "sharding/array_value.h"
#include "sharding/hash.h"
#include "sharding/key_value.h"
#include "sharding/present_words.h"

namespace howdah::sharding {

namespace {

using sql::KeySource;
using sql::Pin;
using sql::ValueType;

Error unreadable(std::string why, std::string hint) {
  return make_error(ErrorCode::kUnsupported, "cannot tell which shard a value of the sharding key belongs to",
                    std::move(hint), std::move(why));
}

Error several_shards(bool is_insert, const std::string& why) {
  if (is_insert) {
    return make_error(ErrorCode::kUnsupported, "the rows of this statement belong to several shards",
                      "Insert the rows of each shard with a statement of their own.",
                      why.empty() ? "Its rows are not given one by one." : why);
  }
  return make_error(ErrorCode::kUnsupported, "the values of the sharding key belong to several shards",
                    "Send one statement per value of the key.",
                    why.empty() ? "Its tables are restricted to values that live on different shards." : why);
}

bool is_text(Oid type) {
  return type == schema::kTextOid || type == schema::kVarcharOid;
}
bool is_integer(Oid type) {
  return type == schema::kInt2Oid || type == schema::kInt4Oid || type == schema::kInt8Oid;
}

// The element type of an array type; 0 for any other. Source: pg_type.dat.
Oid element_of(Oid array) {
  switch (array) {
    case 1005:
      return schema::kInt2Oid;
    case 1007:
      return schema::kInt4Oid;
    case 1016:
      return schema::kInt8Oid;
    case 2951:
      return schema::kUuidOid;
    case 1009:
      return schema::kTextOid;
    case 1015:
      return schema::kVarcharOid;
    case 1231:
      return schema::kNumericOid;
    default:
      return 0;
  }
}

// Collects the shard that all values of a statement agree on.
class Vote {
 public:
  Vote(const Values& values, const ShardMap& map) : values_(values), map_(map) {}

  // The shard of one value alone; empty without an error when any shard does.
  std::optional<ShardId> of(const Pin& pin, const KeySource& source) {
    shard_.reset();
    return add(pin, source) ? shard_ : std::nullopt;
  }
  std::optional<ShardId> of(const Pin& pin, Bytes value, bool is_null, bool binary) {
    return (is_null ? null(pin) : key(pin, value, binary, pin.column_type)) ? shard_ : std::nullopt;
  }
  bool failed() const { return error_.has_value(); }

  // False once an error is found; see error().
  bool add(const Pin& pin) {
    for (const auto& source : pin.any_of) {
      if (!add(pin, source)) return false;
    }
    return true;
  }
  const Error& error() const { return *error_; }
  const std::optional<ShardId>& shard() const { return shard_; }

 private:
  bool fail(Error error) {
    error_ = std::move(error);
    return false;
  }

  bool add(const Pin& pin, const KeySource& source) {
    switch (source.kind) {
      case KeySource::Kind::kSlot:
        return slot(pin, source);
      case KeySource::Kind::kSlotList:
        return slot_list(pin, source);
      case KeySource::Kind::kSlotArray:
        return slot_array(pin, source);
      case KeySource::Kind::kParam:
        return param(pin, source);
      case KeySource::Kind::kParamArray:
        return param_array(pin, source);
      case KeySource::Kind::kNull:
        return null(pin);
      case KeySource::Kind::kNow:
        break;
    }
    return fail(make_error(ErrorCode::kInternal, "a plan holds a key that cannot be read"));
  }

  // NULL equals nothing. Stored, it is an error that any shard raises, if the column refuses it.
  bool null(const Pin& pin) {
    if (!pin.is_insert || pin.not_null) return true;
    return fail(unreadable("The key is NULL, and its column allows that.", "Give every row a key."));
  }

  bool key(const Pin& pin, Bytes value, bool binary, Oid type) {
    if (pin.family == schema::KeyFamily::kText) {
      if (!values_.utf8 && std::any_of(value.begin(), value.end(), [](char c) { return (c & 0x80) != 0; })) {
        return fail(unreadable("The text is not in UTF-8.", "SET client_encoding = 'UTF8'."));
      }
      // varchar(n) cuts spaces behind the n-th character off what is stored.
      if (pin.is_insert && pin.column_type == schema::kVarcharOid && !value.empty() && value.back() == ' ') {
        return fail(
            unreadable("The text ends with a space, which varchar may cut off.", "Store it without."));
      }
    }
    if (pin.is_insert && type == schema::kNumericOid) return count(hash_stored_numeric(value, binary, map_.hash()));
    return count(hash_value(value, binary, type, pin.family, map_.hash()));
  }

  bool count(const KeyHash& key) {
    switch (key.outcome) {
      case KeyOutcome::kNoMatch:
      case KeyOutcome::kMalformed:
        return true;
      case KeyOutcome::kUnreadable:
        return fail(
            unreadable("The value is not in a form that has one meaning.", "Send the value as text."));
      case KeyOutcome::kKey:
        break;
    }
    if (expected_ && *expected_ != key.hash) others_ = true;
    any_ = true;
    const ShardId owner = map_.owner(bucket_of(key.hash, map_.buckets()));
    mask_ |= std::uint64_t{1} << (owner.value() & 63u);
    if (shard_ && *shard_ != owner) several_ = true;
    if (!shard_) shard_ = owner;
    return true;
  }

  Oid type_of(const Pin& pin, const KeySource& source) const {
    switch (source.type) {
      case ValueType::kColumn:
        return pin.column_type;
      case ValueType::kInteger:
        return source.cast != 0 ? source.cast : schema::kInt8Oid;
      case ValueType::kNumeric:
        return schema::kNumericOid;
      case ValueType::kUuid:
        return schema::kUuidOid;
      case ValueType::kText:
        return schema::kTextOid;
    }
    return pin.column_type;
  }

  bool literal(const Pin& pin, const KeySource& source, const sql::Slot& slot) {
    const Oid type = type_of(pin, source);
    if (slot.plain && slot.literal == sql::LiteralClass::kString) {
      return key(pin, values_.text.substr(slot.offset + 1, slot.length - 2), false, type);
    }
    sql::LexerOptions options;
    options.standard_conforming_strings = values_.standard_conforming_strings;
    scratch_.clear();
    if (source.negate) scratch_.push_back('-');
    if (!sql::literal_value(values_.text, slot, options, scratch_)) return true;  // the server's error
    return key(pin, scratch_, false, type);
  }

  bool slot(const Pin& pin, const KeySource& source) {
    if (source.index >= values_.slots.size()) return missing();
    return literal(pin, source, values_.slots[source.index]);
  }

  bool slot_list(const Pin& pin, const KeySource& source) {
    if (source.index >= values_.slots.size()) return missing();
    sql::LexerOptions options;
    options.standard_conforming_strings = values_.standard_conforming_strings;
    const sql::Slot& list = values_.slots[source.index];
    std::uint32_t at = list.offset;
    sql::Slot item;
    while (sql::next_literal(values_.text, list, options, at, item)) {
      if (!literal(pin, source, item)) return false;
    }
    return true;
  }

  bool text_array(const Pin& pin, Bytes text, Oid type) {
    TextArray array(text);
    for (;;) {
      switch (array.next()) {
        case ArrayStep::kElement:
          if (!(array.is_null() ? null(pin) : key(pin, array.value(), false, type))) return false;
          break;
        case ArrayStep::kEnd:
        case ArrayStep::kMalformed:
          return true;
        case ArrayStep::kUnreadable:
          return fail(
              unreadable("The array has several dimensions or lower bounds.", "Use a plain list of values."));
      }
    }
  }

  bool slot_array(const Pin& pin, const KeySource& source) {
    if (source.index >= values_.slots.size()) return missing();
    sql::LexerOptions options;
    options.standard_conforming_strings = values_.standard_conforming_strings;
    std::string text;
    if (!sql::literal_value(values_.text, values_.slots[source.index], options, text)) return true;
    return text_array(pin, text, type_of(pin, source));
  }

  // The type by which a parameter is read: empty and an error when that cannot be told.
  std::optional<Oid> param_type(const Pin& pin, const KeySource& source, Oid told) {
    const Oid wanted = type_of(pin, source);
    if (told == 0 || told == schema::kUnknownOid) {
      if (!source.needs_type) return wanted;
      fail(unreadable("Parameter $" + std::to_string(source.index + 1) + " has no type of its own.",
                      "Cast it: $" + std::to_string(source.index + 1) + "::bigint."));
      return std::nullopt;
    }
    if (told == wanted || (is_integer(told) && is_integer(wanted)) || (is_text(told) && is_text(wanted)))
      return told;
    // $1::bigint with a parameter of type text is read by bigint's input function.
    if (is_text(told) && source.type != ValueType::kColumn) return wanted;
    if (pin.family == schema::KeyFamily::kInteger && (told == schema::kNumericOid || is_integer(told)) &&
        !pin.is_insert) {
      return told;
    }
    fail(unreadable("Parameter $" + std::to_string(source.index + 1) + " is of type " + std::to_string(told) +
                        ", which has no exact meaning for the key.",
                    "Declare the parameter with the key's type."));
    return std::nullopt;
  }

  bool param(const Pin& pin, const KeySource& source) {
    if (source.index >= values_.params.size()) return missing();
    const BoundParam& bound = values_.params[source.index];
    if (bound.is_null) return null(pin);
    const auto type = param_type(pin, source, bound.type);
    if (!type) return false;
    // A cast to an integer rounds: only what is integral has one meaning.
    if (*type == schema::kNumericOid && source.type == ValueType::kInteger) {
      const auto read = hash_value(bound.value, bound.binary, *type, pin.family, map_.hash());
      if (read.outcome == KeyOutcome::kNoMatch) {
        return fail(unreadable("A fraction is rounded by the cast.", "Send an integer."));
      }
    }
    return key(pin, bound.value, bound.binary, *type);
  }

  bool param_array(const Pin& pin, const KeySource& source) {
    if (source.index >= values_.params.size()) return missing();
    const BoundParam& bound = values_.params[source.index];
    if (bound.is_null) return null(pin);
    const Oid told = element_of(bound.type);
    if (bound.type != 0 && bound.type != schema::kUnknownOid && told == 0 && !is_text(bound.type)) {
      return fail(unreadable("The parameter is no array of keys.",
                             "Declare the parameter as an array of the key's type."));
    }
    const auto type = param_type(pin, source, told);
    if (!type) return false;
    if (!bound.binary) return text_array(pin, bound.value, *type);
    BinaryArray array(bound.value);
    for (;;) {
      switch (array.next()) {
        case ArrayStep::kElement: {
          const auto element = param_type(pin, source, array.element_type());
          if (!element) return false;
          if (!(array.is_null() ? null(pin) : key(pin, array.value(), true, *element))) return false;
          break;
        }
        case ArrayStep::kEnd:
        case ArrayStep::kMalformed:
          return true;
        case ArrayStep::kUnreadable:
          return fail(unreadable("The array has several dimensions.", "Use a plain list of values."));
      }
    }
  }

  // Fewer values than the statement has places: the server says so.
  bool missing() { return true; }

 public:
  bool several() const { return several_; }
  void expect(std::optional<std::uint64_t> hash) { expected_ = hash; }
  bool others() const { return others_; }
  bool any() const { return any_; }
  std::uint64_t mask() const { return mask_; }

 private:
  const Values& values_;
  const ShardMap& map_;
  std::optional<ShardId> shard_;
  std::optional<Error> error_;
  std::string scratch_;
  bool several_ = false;
  bool any_ = false;                       // a value was read
  bool others_ = false;                    // ... that is not the expected one
  std::optional<std::uint64_t> expected_;
  std::uint64_t mask_ = 0;
};

// The count of LIMIT or OFFSET; `none` when there is none, or NULL.
Result<std::int64_t> count_of(const sql::RowCount& count, const Values& values, std::int64_t none) {
  Bytes text;
  switch (count.kind) {
    case sql::RowCount::Kind::kNone:
      return none;
    case sql::RowCount::Kind::kSlot:
      if (count.index >= values.slots.size()) return none;
      text = values.text.substr(values.slots[count.index].offset, values.slots[count.index].length);
      break;
    case sql::RowCount::Kind::kParam: {
      if (count.index >= values.params.size() || values.params[count.index].is_null) return none;
      const BoundParam& param = values.params[count.index];
      text = param.value;
      if (!param.binary) break;
      if (text.size() != 2 && text.size() != 4 && text.size() != 8) break;
      std::uint64_t bits = 0;
      for (char c : text) bits = bits << 8 | static_cast<unsigned char>(c);
      const int unused = 64 - 8 * static_cast<int>(text.size());
      return static_cast<std::int64_t>(bits << unused) >> unused;
    }
  }
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size()) return out;
  return make_error(ErrorCode::kUnsupported, "LIMIT and OFFSET over several shards must be plain integers",
                    "Write the number in decimal digits, or name one value of the sharding key.",
                    "The rows are counted when those of all shards come together, outside of PostgreSQL.");
}

Error present_refused() {
  return make_error(ErrorCode::kUnsupported, "a text such as 'now' cannot be used in a statement over several shards",
                    "Send the time itself.", "Each shard would read it as its own time.");
}

bool is_present(const Values& values, const sql::Slot& slot) {
  if (slot.literal != sql::LiteralClass::kString) return false;
  sql::LexerOptions options;
  options.standard_conforming_strings = values.standard_conforming_strings;
  std::uint32_t at = slot.offset;
  std::string text;
  for (sql::Slot item; sql::next_literal(values.text, slot, options, at, item); text.clear()) {
    if (item.plain ? may_be_the_present(values.text.substr(item.offset + 1, item.length - 2))
                   : sql::literal_value(values.text, item, options, text) && may_be_the_present(text)) {
      return true;
    }
    if (!slot.folded) break;
  }
  return false;
}

bool is_present(const BoundParam& param) { return !param.is_null && !param.binary && may_be_the_present(param.value); }

std::optional<Error> any_present(const Values& values) {
  for (const auto& slot : values.slots) {
    if (is_present(values, slot)) return present_refused();
  }
  for (const auto& param : values.params) {
    if (is_present(param)) return present_refused();
  }
  return std::nullopt;
}

std::optional<Error> present_in(const sql::ManyWrite& write, const Values& values) {
  if (write.any_text) return any_present(values);
  for (const std::uint32_t slot : write.clock_slots) {
    if (slot < values.slots.size() && is_present(values, values.slots[slot])) return present_refused();
  }
  for (const std::uint32_t param : write.clock_params) {
    if (param < values.params.size() && is_present(values.params[param])) return present_refused();
  }
  return std::nullopt;
}

Result<Route> write_over_shards(const sql::ManyWrite& write, const Values& values, const ShardMap& map) {
  if (auto error = present_in(write, values)) return *error;
  if (write.key_default) return Route{Route::Kind::kManyShards, ShardId(), ~std::uint64_t{0}};
  Vote vote(values, map);
  for (const auto& pin : write.pins) {
    if (!vote.add(pin)) return vote.error();
  }
  std::uint64_t mask = write.pins.empty() ? ~std::uint64_t{0} : vote.mask();
  if (mask == 0) return Route{Route::Kind::kAnyShard, ShardId()};
  if (write.move) {
    const auto to = move_target(write, values, map);
    if (!to) return to.error();
    if (*to) mask |= std::uint64_t{1} << ((*to)->value() & 63u);
  }
  return Route{Route::Kind::kManyShards, ShardId(), mask};
}

Result<Route> over_shards(const sql::Spread& spread, const Values& values, const ShardMap& map) {
  if (auto error = any_present(values)) return *error;
  Vote vote(values, map);
  for (const auto& pin : spread.pins) {
    if (!vote.add(pin)) return vote.error();
  }
  const std::uint64_t mask = spread.pins.empty() ? ~std::uint64_t{0} : vote.mask();
  if (mask == 0) return Route{Route::Kind::kAnyShard, ShardId()};
  if (!spread.pins.empty() && vote.shard() && !vote.several()) return Route{Route::Kind::kShard, *vote.shard()};
  const auto limit = count_of(spread.limit, values, sql::kNoLimit);
  if (!limit) return limit.error();
  const auto offset = count_of(spread.offset, values, 0);
  if (!offset) return offset.error();
  return Route{Route::Kind::kManyShards, ShardId(), mask, *limit, *offset};
}

Result<Route> by_keys(const sql::StatementPlan& plan, const Values& values, const ShardMap& map) {
  Vote vote(values, map);
  bool is_insert = false;
  for (const auto& pin : plan.pins) {
    is_insert = is_insert || pin.is_insert;
    if (!vote.add(pin)) return vote.error();
    if (!vote.several()) continue;
    if (plan.many_write) return write_over_shards(*plan.many_write, values, map);
    if (is_insert && plan.verb == sql::Verb::kUpdate) {
      return make_error(ErrorCode::kUnsupported, "the sharding key cannot be changed to a value that belongs to another shard",
                        "Delete the row and insert it with its new key.",
                        plan.one_shard_because.empty() ? "The row would have to move to another shard." : plan.one_shard_because);
    }
    return plan.spread ? over_shards(*plan.spread, values, map) : several_shards(is_insert, plan.one_shard_because);
  }
  if (!vote.shard()) return Route{Route::Kind::kAnyShard, ShardId()};
  return Route{Route::Kind::kShard, *vote.shard()};
}

Result<Route> to_all_shards(const sql::StatementPlan& plan, const Values& values) {
  if (plan.refusal) return *plan.refusal;
  if (plan.clock_text) {
    for (const auto& param : values.params) {
      if (param.is_null || param.binary || !names_the_present(param.value)) continue;
      return make_error(ErrorCode::kUnsupported,
                        "this write to a reference table might leave its copies different",
                        "Send the time itself.", "A text such as 'now' is read as the time of the shard.");
    }
  }
  return Route{Route::Kind::kAllShards, ShardId()};
}

}  // namespace

Result<std::optional<ShardId>> move_target(const sql::ManyWrite& write, const Values& values, const ShardMap& map) {
  if (write.move->stored.any_of.empty()) return std::optional<ShardId>();
  Vote vote(values, map);
  const auto shard = vote.of(write.move->stored, write.move->stored.any_of.front());
  if (vote.failed()) return vote.error();
  return shard;
}

Result<Route> route(const sql::StatementPlan& plan, const Values& values, const ShardMap& map) {
  switch (plan.where) {
    case sql::Where::kProxy:
      return Route{Route::Kind::kProxy, ShardId()};
    case sql::Where::kHome:
      return Route{Route::Kind::kHome, ShardId()};
    case sql::Where::kAnyShard:
      return Route{Route::Kind::kAnyShard, ShardId()};
    case sql::Where::kKeys:
      return by_keys(plan, values, map);
    case sql::Where::kManyShards:
      if (plan.many_copy && !plan.spread) return Route{Route::Kind::kManyShards, ShardId(), ~std::uint64_t{0}};
      if (plan.many_write) return write_over_shards(*plan.many_write, values, map);
      return over_shards(*plan.spread, values, map);
    case sql::Where::kShard:
      return Route{Route::Kind::kShard, plan.shard};
    case sql::Where::kAllShards:
      return to_all_shards(plan, values);
    case sql::Where::kCanonical:
      return Route{Route::Kind::kCanonical, ShardId()};
    case sql::Where::kRefused:
      if (plan.refusal) return *plan.refusal;
      return make_error(ErrorCode::kUnsupported, "this statement is not supported with several shards",
                        "Name one value of the sharding key, or run it on the shards themselves.",
                        "It is not proven to give what one server with all the data would.");
  }
  return make_error(ErrorCode::kInternal, "a plan without a place to run");
}

Result<std::optional<ShardId>> route_key(const sql::Pin& pin, Bytes value, bool is_null, bool binary, const ShardMap& map) {
  const Values no_values;
  Vote vote(no_values, map);
  const auto shard = vote.of(pin, value, is_null, binary);
  if (vote.failed()) return vote.error();
  return shard;
}

std::optional<bool> own_keys_are(const sql::StatementPlan& plan, const Values& values, Bytes key, const ShardMap& map) {
  Vote vote(values, map);
  bool readable = true;
  const auto check = [&](const std::vector<Pin>& pins) {
    for (const auto& pin : pins) {
      const KeyHash wanted = hash_value(key, false, pin.column_type, pin.family, map.hash());
      // A value that this column cannot have equals none of its values.
      vote.expect(wanted.outcome == KeyOutcome::kKey ? wanted.hash : std::uint64_t{0});
      const bool counted = vote.any();
      readable = vote.add(pin) && readable;
      if (wanted.outcome != KeyOutcome::kKey && vote.any() && !counted) readable = false;
    }
  };
  check(plan.pins);
  if (plan.spread) check(plan.spread->pins);
  if (plan.many_write) check(plan.many_write->pins);
  if (!vote.any() && readable) return std::nullopt;
  return readable && !vote.others();
}

Result<std::vector<ShardId>> route_rows(const sql::ManyWrite& write, const Values& values, const ShardMap& map) {
  Vote vote(values, map);
  std::vector<ShardId> shards;
  const Pin& pin = write.pins.front();
  shards.reserve(pin.any_of.size());
  for (const auto& source : pin.any_of) {
    const auto shard = vote.of(pin, source);
    if (vote.failed()) return vote.error();
    // A value that every server refuses goes where the row before it went.
    shards.push_back(shard ? *shard : shards.empty() ? ShardId(0) : shards.back());
  }
  return shards;
}

}  // namespace howdah::sharding
