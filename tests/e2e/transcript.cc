#include "tests/e2e/transcript.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"

namespace howdah::e2e {
namespace {

constexpr Oid kFirstUserOid = 16384;

std::string quoted(Bytes bytes) {
  std::string out;
  for (const char c : bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

std::string row_line(const pgwire::DataRow& row) {
  std::string out = "DataRow ";
  bool first = true;
  for (const pgwire::Value value : row.values) {
    out += (first ? "" : "|") + (value.null ? std::string("\\N") : quoted(value.bytes));
    first = false;
  }
  return out;
}

std::string columns_line(const pgwire::RowDescription& description) {
  std::string out = "RowDescription";
  Bytes rest = description.fields;
  for (pgwire::FieldDescription field; pgwire::RowDescription::next(rest, field);) {
    out += " (" + quoted(field.name) +
           (field.table >= kFirstUserOid ? " table" : std::to_string(field.table)) + "." +
           std::to_string(field.column) + " " + std::to_string(field.type) + " " +
           std::to_string(field.type_size) + " " + std::to_string(field.type_modifier) + " " +
           std::to_string(field.format) + ")";
  }
  return out;
}

std::string error_line(const char* kind, const pgwire::ErrorFields& e) {
  std::string out = std::string(kind) + " " + std::string(e.severity) + " " + std::string(e.sqlstate) + " " +
                    quoted(e.message);
  const auto add = [&](const char* name, Bytes value) {
    if (!value.empty()) out += std::string(" ") + name + "=" + quoted(value);
  };
  add("detail", e.detail);
  add("hint", e.hint);
  add("where", e.where);
  add("schema", e.schema);
  add("table", e.table);
  add("column", e.column);
  add("type", e.data_type);
  add("constraint", e.constraint);
  add("internal", e.internal_query);
  if (e.position != 0) out += " P=" + std::to_string(e.position);
  if (e.internal_position != 0) out += " p=" + std::to_string(e.internal_position);
  return out;
}

std::string copy_line(const char* kind, const pgwire::CopyResponse& copy) {
  std::string out = std::string(kind) + " " + std::to_string(copy.format) + ":";
  for (std::size_t i = 0; i < copy.columns.count; ++i) out += std::to_string(copy.columns.of(i));
  return out;
}

std::string types_line(const pgwire::ParameterDescription& types) {
  std::string out = "ParameterDescription";
  for (std::size_t i = 0; i < types.count; ++i) out += " " + std::to_string(types.type(i));
  return out;
}

// The decoded line, or nothing when the body has another shape.
template <class T, class Line>
std::string decoded(const Message& message, Line line) {
  T value;
  return decode(message.body, value) ? line(value) : std::string();
}

std::string line_of(const Message& m) {
  namespace be = pgwire::be;
  using namespace pgwire;
  switch (m.type) {
    case be::kAuthentication:
      return decoded<Authentication>(m, [](const auto& a) {
        return "Authentication " + std::to_string(static_cast<int>(a.kind)) +
               (a.kind == AuthKind::kSasl ? " " + quoted(a.payload) : "");
      });
    case be::kBackendKeyData:
      return decoded<BackendKeyData>(
          m, [](const auto& k) { return "BackendKeyData of " + std::to_string(k.key.size()); });
    case be::kParameterStatus:
      return decoded<ParameterStatus>(
          m, [](const auto& p) { return "ParameterStatus " + quoted(p.name) + "=" + quoted(p.value); });
    case be::kReadyForQuery:
      return "ReadyForQuery " + quoted(m.body);
    case be::kCommandComplete:
      return decoded<CommandComplete>(m, [](const auto& c) { return "CommandComplete " + quoted(c.tag); });
    case be::kDataRow:
      return decoded<DataRow>(m, row_line);
    case be::kRowDescription:
      return decoded<RowDescription>(m, columns_line);
    case be::kErrorResponse:
      return decoded<ErrorFields>(m, [](const auto& e) { return error_line("Error", e); });
    case be::kNoticeResponse:
      return decoded<ErrorFields>(m, [](const auto& e) { return error_line("Notice", e); });
    case be::kCopyInResponse:
      return decoded<CopyResponse>(m, [](const auto& c) { return copy_line("CopyIn", c); });
    case be::kCopyOutResponse:
      return decoded<CopyResponse>(m, [](const auto& c) { return copy_line("CopyOut", c); });
    case be::kParameterDescription:
      return decoded<ParameterDescription>(m, types_line);
    case be::kNegotiateProtocolVersion:
      return decoded<NegotiateProtocolVersion>(m, [](const auto& n) {
        return "Negotiate 3." + std::to_string(n.minor) + " " + quoted(n.options);
      });
    case be::kCopyData:
      return "CopyData " + quoted(m.body);
    default:
      return std::string(1, m.type) + " " + quoted(m.body);
  }
}

}  // namespace

std::string to_line(const Message& message) {
  std::string line = line_of(message);
  return line.empty() ? std::string("malformed ") + message.type + " " + quoted(message.body) : line;
}

std::vector<std::string> to_lines(const std::vector<Message>& messages) {
  std::vector<std::string> lines;
  for (const auto& message : messages) lines.push_back(to_line(message));
  return lines;
}

std::string difference(const std::vector<std::string>& expected, const std::vector<std::string>& got) {
  constexpr std::size_t kBefore = 4, kAfter = 6;
  if (expected == got) return "";
  std::size_t at = 0;
  while (at < expected.size() && at < got.size() && expected[at] == got[at]) ++at;
  std::string out = "\n";
  for (std::size_t i = at < kBefore ? 0 : at - kBefore; i < at; ++i) out += "          " + got[i] + "\n";
  for (std::size_t i = at; i < std::min(expected.size(), at + kAfter); ++i)
    out += "expected: " + expected[i] + "\n";
  for (std::size_t i = at; i < std::min(got.size(), at + kAfter); ++i) out += "     got: " + got[i] + "\n";
  return out;
}

}  // namespace howdah::e2e
