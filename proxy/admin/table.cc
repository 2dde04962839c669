#include "proxy/admin/table.h"

#include <optional>

#include "drivers/pgwire/backend.h"

namespace howdah::admin {

namespace {

// Type OID and size as in pg_type: https://www.postgresql.org/docs/15/catalog-pg-type.html
pgwire::FieldDescription describe(const Column& column) {
  pgwire::FieldDescription field;
  field.name = column.name;
  switch (column.type) {
    case ColumnType::kText: field.type = 25, field.type_size = -1; break;
    case ColumnType::kInt4: field.type = 23, field.type_size = 4; break;
    case ColumnType::kInt8: field.type = 20, field.type_size = 8; break;
    case ColumnType::kNumeric: field.type = 1700, field.type_size = -1; break;
  }
  return field;
}

}  // namespace

void append_table(std::string& out, const Table& table, std::string_view tag) {
  std::vector<pgwire::FieldDescription> fields;
  for (const Column& column : table.columns) fields.push_back(describe(column));
  pgwire::append_row_description(out, fields);
  std::vector<std::optional<Bytes>> values;
  for (const auto& row : table.rows) {
    values.assign(row.begin(), row.end());
    pgwire::append_data_row(out, values);
  }
  pgwire::append_command_complete(out, tag);
}

}  // namespace howdah::admin
