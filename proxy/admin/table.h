// Rows of text on their way to a client.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::admin {

enum class ColumnType : std::uint8_t { kText, kInt4, kInt8, kNumeric };

struct Column {
  std::string_view name;
  ColumnType type = ColumnType::kText;
};

// `columns` must outlive the table: they are constants. Each row has one cell per column.
struct Table {
  explicit Table(std::span<const Column> columns_) : columns(columns_) {}
  std::span<const Column> columns;
  std::vector<std::vector<std::string>> rows;
};

// A row from texts and numbers.
class Row {
 public:
  Row& operator<<(std::string_view text) {
    cells_.emplace_back(text);
    return *this;
  }
  Row& operator<<(const char* text) { return *this << std::string_view(text); }
  Row& operator<<(const std::string& text) { return *this << std::string_view(text); }
  template <class Int>
    requires std::is_arithmetic_v<Int>
  Row& operator<<(Int number) {
    cells_.push_back(std::to_string(number));
    return *this;
  }
  std::vector<std::string> take() { return std::move(cells_); }

 private:
  std::vector<std::string> cells_;
};

// RowDescription, DataRows and CommandComplete with `tag`.
void append_table(std::string& out, const Table& table, std::string_view tag);

}  // namespace howdah::admin
