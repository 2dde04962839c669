#include "sharding/merge/gather_text.h"

#include <algorithm>

namespace howdah::sharding {

namespace {

using Kind = sql::Gather::Piece::Kind;

constexpr Oid kTextOid = 25, kTextArrayOid = 1009, kInt8Oid = 20, kFloat8Oid = 701, kIntervalOid = 1186, kNumericOid = 1700;

// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_type.dat
struct Type {
  Oid type, array;
  bool identity;
};
constexpr Type kTypes[] = {
    {16, 1000, true},    // bool
    {17, 1001, true},    // bytea
    {18, 1002, true},    // "char"
    {20, 1016, true},    // int8
    {21, 1005, true},    // int2
    {23, 1007, true},    // int4
    {25, 1009, true},    // text
    {26, 1028, true},    // oid
    {114, 199, false},   // json
    {650, 651, true},    // cidr
    {700, 1021, false},  // float4: 0 = -0
    {701, 1022, false},  // float8
    {774, 775, true},    // macaddr8
    {790, 791, true},    // money
    {829, 1040, true},   // macaddr
    {869, 1041, true},   // inet
    {1042, 1014, false}, // bpchar: spaces at its end
    {1043, 1015, true},  // varchar
    {1082, 1182, true},  // date
    {1083, 1183, true},  // time
    {1114, 1115, true},  // timestamp
    {1184, 1185, true},  // timestamptz
    {1186, 1187, false}, // interval: 1 day = 24 hours
    {1266, 1270, true},  // timetz
    {1560, 1561, true},  // bit
    {1562, 1563, true},  // varbit
    {1700, 1231, false}, // numeric: 1.0 = 1.00
    {2950, 2951, true},  // uuid
    {3802, 3807, false}, // jsonb: numbers in it
    {3904, 3905, true},  // int4range
    {3906, 3907, false}, // numrange
    {3908, 3909, true},  // tsrange
    {3910, 3911, true},  // tstzrange
    {3912, 3913, true},  // daterange
    {3926, 3927, true},  // int8range
};

const Type* find_type(Oid type) {
  const auto found = std::find_if(std::begin(kTypes), std::end(kTypes), [type](const Type& entry) { return entry.type == type; });
  return found == std::end(kTypes) ? nullptr : found;
}

// Arrays (unnest would flatten them) whose elements' text is read back as it was, whatever the settings.
struct Array {
  Oid type;
  const char* name;
};
constexpr Array kArrays[] = {
    {1000, "pg_catalog.bool[]"}, {1005, "pg_catalog.int2[]"},    {1007, "pg_catalog.int4[]"},    {1016, "pg_catalog.int8[]"},
    {1009, "pg_catalog.text[]"}, {1015, "pg_catalog.varchar[]"}, {1231, "pg_catalog.numeric[]"}, {2951, "pg_catalog.uuid[]"},
};

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::uint32_t big_endian(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

void put4(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

class Writer {
 public:
  Writer(const sql::Gather& gather, std::span<const GatheredColumn> columns, std::span<const std::string> names, std::size_t first)
      : gather_(gather), columns_(columns), names_(names), first_(first) {
    std::size_t at = 0;
    for (const auto& column : gather.columns) {
      starts_.push_back(at);
      at += column.width;
    }
    at = 0;
    for (const auto& output : gather.outputs) {
      outputs_.push_back(at);
      at += output.width;
    }
  }

  std::string write() {
    for (const auto& piece : gather_.upper) {
      if (piece.kind == Kind::kText) {
        // A name next to what was put in its place.
        if (!out_.empty() && !piece.text.empty() && joins(out_.back()) && joins(piece.text.front())) out_ += ' ';
        out_ += piece.text;
        continue;
      }
      const bool apart = piece.kind == Kind::kName || piece.kind == Kind::kRows || piece.kind == Kind::kInput;
      if (!out_.empty() && (joins(out_.back()) || (apart && out_.back() != ' '))) out_ += ' ';
      add(piece);
    }
    return std::move(out_);
  }

 private:
  static bool joins(char c) {
    return c == '_' || c == '"' || c == '$' || (c & 0x80) != 0 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  static std::string name(std::size_t column) { return "p.c" + std::to_string(column); }
  const GatheredColumn& at(const sql::Gather::Piece& piece) const { return columns_[starts_[piece.column]]; }

  void add(const sql::Gather::Piece& piece) {
    const bool of_none = piece.kind == Kind::kName || piece.kind == Kind::kRows || piece.kind == Kind::kInput;
    const std::size_t column = of_none ? 0 : starts_[piece.column] + piece.offset;
    const std::string sum = "pg_catalog.sum(" + name(column) + ")";
    switch (piece.kind) {
      case Kind::kText:
        break;
      case Kind::kColumn:
        out_ += name(column);
        break;
      case Kind::kStar: {
        const std::size_t output = next_star();
        for (std::size_t i = 0; i < gather_.columns[piece.column].width; ++i) {
          out_ += (i > 0 ? ", " : "") + name(column + i) + " AS " + quoted(names_[output + i]);
        }
        break;
      }
      case Kind::kName:
        out_ += "AS " + quoted(names_[outputs_[piece.column]]);
        break;
      case Kind::kSortName:
        out_ += std::find(names_.begin(), names_.end(), piece.text) != names_.end() ? quoted(piece.text) : name(column);
        break;
      case Kind::kRows:
        add_rows();
        break;
      case Kind::kInput:
        add_input(gather_.inputs[piece.column]);
        break;
      case Kind::kSame:
        out_ += "pg_catalog." + piece.text + "(" + name(column) + ")";
        break;
      case Kind::kCount:
        out_ += "(" + sum + "::pg_catalog.int8)";
        break;
      case Kind::kSum:
        // Of int2 and int4 it is an int8, which sums up to numeric.
        out_ += at(piece).type == kInt8Oid ? "(" + sum + "::pg_catalog.int8)" : sum;
        break;
      case Kind::kAverage: {
        const bool by_float = at(piece).type == kFloat8Oid || at(piece).type == kIntervalOid;
        out_ += "(" + sum + " OPERATOR(pg_catalog./) pg_catalog.sum(" + name(column + 1) + ")" + (by_float ? "::pg_catalog.float8)" : ")");
        break;
      }
    }
  }

  // Where in the result the columns of this star begin: stars stand in the select list in order.
  std::size_t next_star() {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < gather_.outputs.size(); ++i) {
      if (!gather_.outputs[i].is_star) continue;
      if (seen++ == stars_) {
        ++stars_;
        return outputs_[i];
      }
    }
    return 0;
  }

  void add_rows() {
    std::string arrays, columns, casts;
    bool cast = false;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string comma = i > 0 ? ", " : "";
      const std::string column = "c" + std::to_string(i);
      arrays += comma + "pg_catalog.unnest($" + std::to_string(first_ + i) + ")";
      columns += comma + column;
      casts += comma + (columns_[i].as_text ? "r." + column + "::" + columns_[i].cast + " AS " + column : "r." + column);
      cast = cast || columns_[i].as_text;
    }
    out_ += "FROM ";
    if (cast) out_ += "(SELECT " + casts + " FROM ";
    out_ += "ROWS FROM (" + arrays + ") AS " + (cast ? "r(" : "p(") + columns + ")";
    if (cast) out_ += ") AS p";
    out_ += " ";
  }

  // In the place of a table: its columns under their names.
  void add_input(const sql::Gather::Input& input) {
    std::string arrays, columns, names;
    const std::size_t end = input.first + std::max<std::size_t>(input.names.size(), 1);
    for (std::size_t i = input.first; i < end; ++i) {
      const std::string comma = i > input.first ? ", " : "";
      const std::string column = "c" + std::to_string(i);
      arrays += comma + "pg_catalog.unnest($" + std::to_string(first_ + i) + ")";
      columns += comma + column;
      if (i - input.first >= input.names.size()) continue;
      names += comma + "r." + column + (columns_[i].as_text ? "::" + columns_[i].cast : "") + " AS " + quoted(input.names[i - input.first]);
    }
    out_ += "(SELECT " + names + " FROM ROWS FROM (" + arrays + ") AS r(" + columns + "))";
  }

  const sql::Gather& gather_;
  std::span<const GatheredColumn> columns_;
  std::span<const std::string> names_;
  std::size_t first_;
  std::vector<std::size_t> starts_, outputs_;
  std::size_t stars_ = 0;
  std::string out_;
};

std::size_t width_of(const sql::Gather& gather) {
  std::size_t width = 0;
  for (const auto& column : gather.columns) width += column.width;
  return width;
}

}  // namespace

bool is_identity_type(Oid type) {
  const Type* known = find_type(type);
  return known != nullptr && known->identity;
}

bool carry(Oid type, GatheredColumn& out) {
  out.type = type;
  if (const Type* known = find_type(type)) {
    out.array = known->array;
    out.as_text = false;
    return true;
  }
  const auto array = std::find_if(std::begin(kArrays), std::end(kArrays), [type](const Array& entry) { return entry.type == type; });
  if (array == std::end(kArrays)) return false;
  carry_as_text(array->name, out);
  return true;
}

void carry_as_text(std::string type_name, GatheredColumn& out) {
  out.array = kTextArrayOid;
  out.as_text = true;
  out.cast = std::move(type_name);
}

Fit fits(const sql::Gather& gather, std::span<const GatheredColumn> columns) {
  if (columns.size() != width_of(gather)) return Fit::kNever;
  std::size_t at = 0;
  for (const auto& column : gather.columns) {
    for (std::size_t i = 0; i < column.width; ++i, ++at) {
      const GatheredColumn& value = columns[at];
      if (value.array == 0) return Fit::kNextForm;
      if (gather.distinct && !is_identity_type(value.type)) return Fit::kNextForm;
      if (!column.is_average_sum) continue;
      const bool exact = value.type == kInt8Oid || value.type == kNumericOid || value.type == kFloat8Oid || value.type == kIntervalOid;
      if (!exact) return Fit::kNextForm;
    }
  }
  return Fit::kFits;
}

Result<std::string> upper_text(const sql::Gather& gather, std::span<const GatheredColumn> columns, std::span<const std::string> names,
                               std::size_t first) {
  std::size_t width = 0;
  for (const auto& output : gather.outputs) width += output.width;
  if ((gather.inputs.empty() && width != names.size()) || columns.size() != width_of(gather)) {
    return make_error(ErrorCode::kUnsupported, "this query is not supported over several shards", "Name its columns instead of *.",
                      "Its columns are not those that the proxy knows.");
  }
  return Writer(gather, columns, names, first).write();
}

GatheredRows::GatheredRows(std::span<const GatheredColumn> columns) {
  for (const auto& column : columns) {
    columns_.push_back({column.as_text ? kTextOid : column.type, column.input, {}, false, 0});
    inputs_ = inputs_ || column.input != kNoInput;
  }
}

bool GatheredRows::add(Bytes row) {
  if (row.size() < 2 || big_endian(row, 0, 2) != columns_.size()) return false;
  if (inputs_ && (row.size() < 10 || big_endian(row, 2, 4) != 4)) return false;
  const std::uint16_t input = inputs_ ? static_cast<std::uint16_t>(big_endian(row, 6, 4)) : kNoInput;
  std::size_t at = 2;
  for (auto& column : columns_) {
    if (row.size() - at < 4) return false;
    const std::uint32_t length = big_endian(row, at, 4);
    const std::size_t size = length == 0xffffffff ? 0 : length;
    if (row.size() - at - 4 < size) return false;
    if (!inputs_ || column.input == input) {
      column.values.append(row.substr(at, 4 + size));
      column.nulls = column.nulls || length == 0xffffffff;
      ++column.rows;
      bytes_ += 4 + size;
    }
    at += 4 + size;
  }
  return at == row.size();
}

// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/arrayfuncs.c, array_recv():
//   dimensions, has nulls, element type, { size, lower bound } per dimension, { length, value } per element
void GatheredRows::take(std::size_t column, std::string& out) {
  Column& from = columns_[column];
  const std::uint32_t dimensions = from.rows > 0 ? 1 : 0;
  put4(out, static_cast<std::uint32_t>(12 + 8 * dimensions + from.values.size()));
  put4(out, dimensions);
  put4(out, from.nulls ? 1 : 0);
  put4(out, from.element);
  if (dimensions > 0) {
    put4(out, from.rows);
    put4(out, 1);
  }
  out += from.values;
  from.values = std::string();
}

}  // namespace howdah::sharding
