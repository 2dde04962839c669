// Allocation-free SQL lexer by PostgreSQL's own token rules, that also normalizes: literals leave the text and become
// slots, so that statements differing only in literals share one plan.
// Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/parser/scan.l
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::sharding::sql {

enum class LiteralClass : std::uint8_t { kInt4, kInt8, kNumeric, kString, kBit };

// A literal's place in the statement text. For a folded list the range covers all of its literals.
struct Slot {
  std::uint32_t offset = 0;   // first byte of the literal (its opening quote for strings, the E or U& prefix included)
  std::uint32_t length = 0;
  LiteralClass literal = LiteralClass::kInt4;
  bool plain = true;          // a string without escapes, doubled quotes or continuation: its bytes are its value
  bool folded = false;        // the whole content of an IN list: one or more literals of one class
  std::uint32_t count = 1;    // literals folded into this slot
};

// The normalized form of one statement string. Reused from statement to statement: nothing is freed between them.
struct TokenStream {
  std::string normalized;     // what the plan cache compares, byte for byte
  std::vector<Slot> slots;
  std::uint64_t hash = 0;     // XXH3 of `normalized`
  bool complete = false;      // false: an unterminated quote or comment; PostgreSQL's own error comes from its parser
  std::uint32_t hint_begin = 0, hint_end = 0;  // a leading /* howdah... */ comment's inside, equal when none
};

struct LexerOptions {
  bool standard_conforming_strings = true;
};

// Fills `out`. Never fails: text that does not lex is kept as it is and left to the parser to refuse.
void tokenize(std::string_view sql, const LexerOptions& options, TokenStream& out);

// A text that reads as `normalized` came about, with other literals: a statement of the same shape, without the client's values.
std::string with_other_literals(std::string_view normalized);
// The same to be looked at: a question mark for each literal.
std::string without_literals(std::string_view normalized);

// What stands inside of a /* howdah... */ comment among the comments that open `sql`; empty when there is none.
std::string_view leading_hint(std::string_view sql);
// ... among the comments in front of the statement that begins at byte `begin` of the string.
std::string_view hint_before(std::string_view sql, std::uint32_t begin, const LexerOptions& options);

// The value of a literal slot (quotes and escapes undone) appended to `out`; false when it is malformed.
// Bit strings keep their leading letter in lower case: b'101' gives "b101".
// REQUIRES: slot.count == 1.
bool literal_value(std::string_view sql, const Slot& slot, const LexerOptions& options, std::string& out);

// The next literal of a folded slot as a slot of its own, from byte `at` of `sql` on; `at` moves behind it.
// False when the slot has no more literals. Start with `at = slot.offset`.
bool next_literal(std::string_view sql, const Slot& slot, const LexerOptions& options, std::uint32_t& at, Slot& out);

}  // namespace howdah::sharding::sql
