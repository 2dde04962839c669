// Literals and parameters of a statement: where they stand in the text, and which can be a key's value.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "schema/types.h"
#include "sharding/sql/analyzer.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {

// The token stream's slots, and what the analysis did with each. Every slot that was not met as a plain
// constant of an expression, and every one whose value was looked at, becomes a guard.
class SlotUse {
 public:
  SlotUse(std::string_view sql, const TokenStream& tokens, const LexerOptions& options)
      : sql_(sql),
        slots_(tokens.slots),
        options_(options),
        met_(tokens.slots.size()),
        read_(tokens.slots.size()) {}

  struct Place {
    std::uint32_t slot = 0;
    bool negate = false;
  };
  // The slot of a TREE_CONST. Empty for constants that the grammar made up (TRUE, NULL, extract's field).
  std::optional<Place> find(const TreeNode* constant) const;
  // The constant is a plain value of an expression.
  void meet(const TreeNode* constant);
  // The analysis depends on this constant's value.
  void read(const TreeNode* constant);
  bool folded(std::uint32_t slot) const { return slots_[slot].folded; }
  LiteralClass literal(std::uint32_t slot) const { return slots_[slot].literal; }
  std::vector<Guard> guards() const;

 private:
  std::string_view sql_;
  std::span<const Slot> slots_;
  LexerOptions options_;
  std::vector<bool> met_, read_;
};

// The family of keys that a column type belongs to, if any.
std::optional<schema::KeyFamily> key_family(Oid type);

// Reads key values out of expressions.
class KeyReader {
 public:
  KeyReader(const SlotUse& slots, std::span<const Oid> param_types, bool builtin_types_first)
      : slots_(slots), param_types_(param_types), builtin_types_first_(builtin_types_first) {}

  // A literal, $n, NULL, or one of these with a cast to a type whose values read exactly. Empty for all else.
  std::optional<KeySource> value(const TreeNode* expression) const;
  // An array of such values as in `= ANY(...)`: ARRAY[...], '{...}', $n, each also with a cast to an array
  // type.
  std::optional<std::vector<KeySource>> array(const TreeNode* expression) const;
  // What type `source` has when nothing beside it says one: an untyped string is text. 0 when no key type.
  static Oid own_type(const KeySource& source);
  // May a column of `column` type be compared with `source` so that equal means equal keys?
  static bool comparable(Oid column, const KeySource& source);
  // In a list, values share one type: beside a numeric, untyped ones are numeric too.
  static void settle(std::vector<KeySource>& list);
  Oid param_type(std::uint32_t index) const { return index < param_types_.size() ? param_types_[index] : 0; }
  // The cast's target among the key types; 0 for others, for arrays and with modifiers.
  Oid cast_type(const TreeNode* type, bool array) const;

 private:
  std::optional<KeySource> literal(const TreeNode* constant) const;
  std::optional<KeySource> parameter(const TreeNode* param) const;
  std::optional<KeySource> cast(const TreeNode* cast) const;

  const SlotUse& slots_;
  std::span<const Oid> param_types_;
  bool builtin_types_first_;
};

}  // namespace howdah::sharding::sql
