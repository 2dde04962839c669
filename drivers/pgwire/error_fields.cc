#include "drivers/pgwire/error_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "drivers/pgwire/message_writer.h"
#include "drivers/pgwire/types.h"

namespace howdah::pgwire {
namespace {

using TextField = std::pair<char, Bytes ErrorFields::*>;
using NumberField = std::pair<char, int ErrorFields::*>;

// PostgreSQL writes these first, then the objects, the positions and its source location.
constexpr std::array<TextField, 4> kTextFields = {{{'M', &ErrorFields::message},
                                                   {'D', &ErrorFields::detail},
                                                   {'H', &ErrorFields::hint},
                                                   {'W', &ErrorFields::where}}};
constexpr std::array<TextField, 5> kObjectFields = {{{'s', &ErrorFields::schema},
                                                     {'t', &ErrorFields::table},
                                                     {'c', &ErrorFields::column},
                                                     {'d', &ErrorFields::data_type},
                                                     {'n', &ErrorFields::constraint}}};
constexpr std::array<NumberField, 2> kNumberFields = {
    {{'P', &ErrorFields::position}, {'p', &ErrorFields::internal_position}}};
constexpr std::array<TextField, 4> kLastFields = {{{'q', &ErrorFields::internal_query},
                                                   {'F', &ErrorFields::file},
                                                   {'L', &ErrorFields::line},
                                                   {'R', &ErrorFields::routine}}};

void write_field(MessageWriter& message, char field, Bytes value) {
  message.byte(field);
  message.cstring(value);
}

template <class Fields>
void write_fields(MessageWriter& message, const ErrorFields& fields, const Fields& table) {
  for (const auto& [field, member] : table) {
    if (!(fields.*member).empty()) write_field(message, field, fields.*member);
  }
}

void write_number(MessageWriter& message, char field, int value) {
  if (value > 0) write_field(message, field, std::to_string(value));
}

Bytes or_else(Bytes value, Bytes fallback) {
  return value.empty() ? fallback : value;
}

void append_fields(std::string& out, char type, const ErrorFields& fields, Bytes default_severity) {
  const Bytes severity = or_else(fields.severity, default_severity);
  MessageWriter message(out, type);
  write_field(message, 'S', or_else(fields.localized_severity, severity));
  write_field(message, 'V', severity);
  write_field(message, 'C', or_else(fields.sqlstate, "XX000"));
  if (fields.message.empty()) write_field(message, 'M', "missing error text");
  write_fields(message, fields, kTextFields);
  write_fields(message, fields, kObjectFields);
  for (const auto& [field, member] : kNumberFields) write_number(message, field, fields.*member);
  write_fields(message, fields, kLastFields);
  message.byte('\0');
}

template <class Fields>
bool set_text(ErrorFields& out, char field, Bytes value, const Fields& table) {
  for (const auto& [name, member] : table) {
    if (name == field) return out.*member = value, true;
  }
  return false;
}

void set_field(ErrorFields& out, char field, Bytes value) {
  if (field == 'S') out.localized_severity = value;
  if (field == 'V') out.severity = value;
  if (field == 'C') out.sqlstate = value;
  for (const auto& [name, member] : kNumberFields) {
    if (name == field) std::from_chars(value.data(), value.data() + value.size(), out.*member);
  }
  set_text(out, field, value, kTextFields) || set_text(out, field, value, kObjectFields) ||
      set_text(out, field, value, kLastFields);
}

}  // namespace

bool decode(Bytes body, ErrorFields& out) {
  out = {};
  ByteReader reader(body);
  char field = '\0';
  for (Bytes value; reader.read(field) && field != '\0';) {
    if (!reader.read_cstring(value)) return false;
    set_field(out, field, value);
  }
  if (!reader.at_end()) return false;
  if (out.severity.empty()) out.severity = out.localized_severity;
  return true;
}

void append_error(std::string& out, const ErrorFields& fields) {
  append_fields(out, be::kErrorResponse, fields, "ERROR");
}

void append_notice(std::string& out, const ErrorFields& fields) {
  append_fields(out, be::kNoticeResponse, fields, "NOTICE");
}

void append_with_position(std::string& out, char type, Bytes body, int position) {
  MessageWriter message(out, type);
  ByteReader reader(body);
  char field = '\0';
  for (Bytes value; reader.read(field) && field != '\0' && reader.read_cstring(value);) {
    if (field == 'P') {
      write_number(message, 'P', position);
    } else {
      write_field(message, field, value);
    }
  }
  message.byte('\0');
}

int characters(Bytes text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace howdah::pgwire
