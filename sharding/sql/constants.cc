#include "sharding/sql/constants.h"

#include <algorithm>

#include "sharding/sql/names.h"
#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

std::optional<SlotUse::Place> SlotUse::find(const TreeNode* constant) const {
  if (constant->location < 0) return std::nullopt;
  const auto at = static_cast<std::uint32_t>(constant->location);
  auto behind = std::upper_bound(slots_.begin(), slots_.end(), at,
                                 [](std::uint32_t offset, const Slot& slot) { return offset < slot.offset; });
  if (behind != slots_.begin()) {
    const auto before = behind - 1;
    if (at < before->offset + before->length)
      return Place{static_cast<std::uint32_t>(before - slots_.begin()), false};
  }
  // A negative number stands where its first minus sign does.
  if (constant->op != TREE_CONST_INT && constant->op != TREE_CONST_FLOAT) return std::nullopt;
  if (behind == slots_.end() || at >= sql_.size() || sql_[at] != '-') return std::nullopt;
  Place place{static_cast<std::uint32_t>(behind - slots_.begin()), false};
  Scanner scanner(sql_.substr(0, behind->offset), options_, at);
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    const char symbol = sql_[token.begin];
    if (token.kind != TokenKind::kSymbol || token.end - token.begin != 1) return std::nullopt;
    if (symbol == '-')
      place.negate = !place.negate;
    else if (symbol != '(')
      return std::nullopt;
  }
  return place;
}

void SlotUse::meet(const TreeNode* constant) {
  if (const auto place = find(constant)) met_[place->slot] = true;
}

void SlotUse::read(const TreeNode* constant) {
  if (const auto place = find(constant)) read_[place->slot] = true;
}

std::vector<Guard> SlotUse::guards() const {
  std::vector<Guard> guards;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (met_[i] && !read_[i]) continue;
    const auto text = sql_.substr(slots_[i].offset, slots_[i].length);
    guards.push_back(Guard{static_cast<std::uint32_t>(i), std::string(text)});
  }
  return guards;
}

std::optional<schema::KeyFamily> key_family(Oid type) {
  switch (type) {
    case schema::kInt2Oid:
    case schema::kInt4Oid:
    case schema::kInt8Oid:
      return schema::KeyFamily::kInteger;
    case schema::kUuidOid:
      return schema::KeyFamily::kUuid;
    case schema::kTextOid:
    case schema::kVarcharOid:
      return schema::KeyFamily::kText;
    default:
      return std::nullopt;
  }
}

namespace {

// Array type of each key type. Source: pg_type.dat, array_type_oid.
struct ArrayType {
  Oid array, element;
};
constexpr ArrayType kArrayTypes[] = {
    {1005, schema::kInt2Oid},    {1007, schema::kInt4Oid}, {1016, schema::kInt8Oid},
    {2951, schema::kUuidOid},    {1009, schema::kTextOid}, {1015, schema::kVarcharOid},
    {1231, schema::kNumericOid},
};

std::optional<ValueType> value_type(Oid type) {
  switch (type) {
    case 0:
    case schema::kUnknownOid:
      return ValueType::kColumn;
    case schema::kInt2Oid:
    case schema::kInt4Oid:
    case schema::kInt8Oid:
      return ValueType::kInteger;
    case schema::kNumericOid:
      return ValueType::kNumeric;
    case schema::kUuidOid:
      return ValueType::kUuid;
    case schema::kTextOid:
    case schema::kVarcharOid:
      return ValueType::kText;
    default:
      return std::nullopt;
  }
}

bool is_integer(Oid type) {
  return value_type(type) == ValueType::kInteger && type != 0;
}

bool is_string(const TreeNode* node) {
  return is(node, TREE_CONST) && node->op == TREE_CONST_STRING;
}

}  // namespace

Oid KeyReader::cast_type(const TreeNode* type, bool array) const {
  if (!is(type, TREE_TYPE) || type->count != 0 || has(type, TREE_FLAG_SETOF)) return 0;
  if ((type->number > 0) != array) return 0;
  const auto schema = qualifier_of(type);
  if (schema != "pg_catalog" && !(schema.empty() && builtin_types_first_)) return 0;
  return key_cast_type(text_of(type));
}

std::optional<KeySource> KeyReader::literal(const TreeNode* constant) const {
  KeySource source;
  if (constant->op == TREE_CONST_NULL) {
    source.kind = KeySource::Kind::kNull;
    return source;
  }
  if (constant->op == TREE_CONST_BOOL || constant->op == TREE_CONST_BIT) return std::nullopt;
  const auto place = slots_.find(constant);
  if (!place) return std::nullopt;
  source.index = place->slot;
  source.negate = place->negate;
  switch (slots_.literal(place->slot)) {
    case LiteralClass::kInt4:
    case LiteralClass::kInt8:
      source.type = ValueType::kInteger;
      break;
    case LiteralClass::kNumeric:
      source.type = ValueType::kNumeric;
      break;
    case LiteralClass::kString:
      source.type = ValueType::kColumn;
      break;
    case LiteralClass::kBit:
      return std::nullopt;
  }
  return source;
}

std::optional<KeySource> KeyReader::parameter(const TreeNode* param) const {
  if (param->number < 1) return std::nullopt;
  KeySource source;
  source.kind = KeySource::Kind::kParam;
  source.index = static_cast<std::uint32_t>(param->number - 1);
  const Oid type = param_type(source.index);
  const auto known = value_type(type);
  if (!known) return std::nullopt;
  source.type = *known;
  source.cast = type == schema::kUnknownOid ? 0 : type;
  return source;
}

std::optional<KeySource> KeyReader::cast(const TreeNode* cast) const {
  const TreeNode* argument = kid(cast, 0);
  const Oid type = cast_type(kid(cast, 1), false);
  if (type == 0) return std::nullopt;
  const auto inner = value(argument);
  if (!inner) return std::nullopt;
  KeySource source = *inner;
  if (source.kind == KeySource::Kind::kNull) return source;
  const auto to = *value_type(type);
  // Strings and untyped parameters are read by the type's own input function.
  if (is_string(argument) || source.type == ValueType::kColumn) {
    source.type = to;
    source.cast = type;
    return source;
  }
  const bool widens = is_integer(type) && source.type == ValueType::kInteger;
  const bool to_numeric = to == ValueType::kNumeric && source.type == ValueType::kInteger;
  const bool same =
      to == source.type && (to == ValueType::kText || to == ValueType::kUuid || to == ValueType::kNumeric);
  // An integer as numeric still reads as the integer that it is.
  if (widens || same) {
    if (is_integer(type)) source.cast = source.kind == KeySource::Kind::kParam ? source.cast : type;
    return source;
  }
  if (to_numeric) return source;
  return std::nullopt;  // rounding, formatting, I/O conversions
}

std::optional<KeySource> KeyReader::value(const TreeNode* expression) const {
  if (expression == nullptr) return std::nullopt;
  switch (expression->kind) {
    case TREE_CONST:
      return literal(expression);
    case TREE_PARAM:
      return parameter(expression);
    case TREE_CAST:
      return cast(expression);
    case TREE_EXPR: {  // +5
      if (expression->op != TREE_OP || kid(expression, 0) != nullptr || text_of(expression) != "+")
        return std::nullopt;
      if (expression->qualifier != nullptr || !is(kid(expression, 1), TREE_CONST)) return std::nullopt;
      const auto source = literal(kid(expression, 1));
      if (!source || source->kind != KeySource::Kind::kSlot || source->type == ValueType::kColumn)
        return std::nullopt;
      return source;
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::vector<KeySource>> KeyReader::array(const TreeNode* expression) const {
  Oid element = 0;
  if (is(expression, TREE_CAST)) {
    element = cast_type(kid(expression, 1), true);
    if (element == 0) return std::nullopt;
    expression = kid(expression, 0);
  }
  std::vector<KeySource> list;
  if (is(expression, TREE_ARRAY)) {
    for (const TreeNode* item : kids(expression)) {
      auto source = value(item);
      if (!source) return std::nullopt;
      if (element != 0 && source->kind != KeySource::Kind::kNull) {
        // The element is coerced as an explicit cast would: only what that reads exactly.
        const auto to = value_type(element);
        if (source->type == ValueType::kColumn) {
          source->type = *to;
          source->cast = element;
        } else if (source->type != *to) {
          return std::nullopt;
        }
      }
      list.push_back(*source);
    }
    if (element == 0) {
      // Untyped strings alone make a text array.
      settle(list);
      const bool untyped = std::all_of(list.begin(), list.end(), [](const KeySource& source) {
        return source.kind == KeySource::Kind::kSlot && source.type == ValueType::kColumn;
      });
      for (auto& source : list) {
        if (untyped)
          source.type = ValueType::kText;
        else if (source.kind != KeySource::Kind::kNull && source.type == ValueType::kColumn)
          return std::nullopt;
      }
    }
    return list;
  }
  KeySource source;
  source.cast = element;
  if (is(expression, TREE_PARAM) && expression->number >= 1) {
    source.kind = KeySource::Kind::kParamArray;
    source.index = static_cast<std::uint32_t>(expression->number - 1);
    const Oid declared = param_type(source.index);
    if (declared != 0 && declared != schema::kUnknownOid) {
      Oid of = 0;
      for (const auto& type : kArrayTypes) {
        if (type.array == declared) of = type.element;
      }
      if (of == 0 || (element != 0 && element != of)) return std::nullopt;
      source.cast = of;
    }
  } else if (is_string(expression)) {
    const auto place = slots_.find(expression);
    if (!place) return std::nullopt;
    source.kind = KeySource::Kind::kSlotArray;
    source.index = place->slot;
  } else {
    return std::nullopt;
  }
  source.type = *value_type(source.cast);
  list.push_back(source);
  return list;
}

Oid KeyReader::own_type(const KeySource& source) {
  switch (source.type) {
    case ValueType::kInteger:
      return schema::kInt8Oid;
    case ValueType::kUuid:
      return schema::kUuidOid;
    case ValueType::kText:
      return schema::kTextOid;
    case ValueType::kColumn:
      return source.kind == KeySource::Kind::kSlot ? schema::kTextOid : 0;
    case ValueType::kNumeric:
      return 0;
  }
  return 0;
}

bool KeyReader::comparable(Oid column, const KeySource& source) {
  const auto family = key_family(column);
  if (!family) return false;
  if (source.kind == KeySource::Kind::kNull) return true;
  switch (source.type) {
    case ValueType::kColumn:
      return true;
    case ValueType::kInteger:
    case ValueType::kNumeric:
      return *family == schema::KeyFamily::kInteger;
    case ValueType::kUuid:
      return *family == schema::KeyFamily::kUuid;
    case ValueType::kText:
      return *family == schema::KeyFamily::kText;
  }
  return false;
}

void KeyReader::settle(std::vector<KeySource>& list) {
  const auto type_of = [&list](auto matches) {
    return std::find_if(list.begin(), list.end(), matches) != list.end();
  };
  if (!type_of([](const KeySource& source) { return source.type == ValueType::kNumeric; })) return;
  for (auto& source : list) {
    if (source.kind != KeySource::Kind::kNull && source.type == ValueType::kColumn)
      source.type = ValueType::kNumeric;
  }
}

}  // namespace howdah::sharding::sql
