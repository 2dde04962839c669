#include "tests/parity/corpus.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace howdah::parity {
namespace {

// ORDER BY of the statement itself: not within parentheses, quotes or comments.
bool is_ordered(const std::string& sql) {
  std::string outside;
  int depth = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\'' || sql[i] == '"') {
      const auto end = sql.find(sql[i], i + 1);
      i = end == std::string::npos ? sql.size() : end;
      continue;
    }
    depth += sql[i] == '(' ? 1 : sql[i] == ')' ? -1 : 0;
    if (depth == 0) outside += static_cast<char>(std::isspace(static_cast<unsigned char>(sql[i])) != 0 ? ' ' : std::toupper(static_cast<unsigned char>(sql[i])));
  }
  return outside.find("ORDER BY") != std::string::npos;
}

Row values(const std::string& text) {
  Row out;
  std::size_t at = 0;
  for (;;) {
    const auto bar = text.find(" | ", at);
    const auto value = text.substr(at, bar == std::string::npos ? bar : bar - at);
    out.push_back(value == "\\N" ? Value() : Value(value));
    if (bar == std::string::npos) return out;
    at = bar + 3;
  }
}

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  std::vector<Case> read() {
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) {
      ++number_;
      if (line.starts_with("-- ") && sql_.empty()) {
        directive(line.substr(3));
      } else if (!line.empty() || !sql_.empty()) {
        statement(line);
      }
    }
    if (!sql_.empty() || open_) fail("the last statement does not end");
    return std::move(cases_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(file_ + ":" + std::to_string(number_) + ": " + what);
  }

  void directive(const std::string& text) {
    const auto colon = text.find(": ");
    const auto word = text.substr(0, colon);
    const auto rest = colon == std::string::npos ? std::string() : text.substr(colon + 2);
    if (word == "shape") {
      shape_ = rest;
    } else if (word == "writes" || word == "reads") {
      writes_ = word == "writes";
    } else if (word == "params") {
      step_.values.push_back(values(rest));
    } else if (word == "data") {
      step_.copy_data += rest.ends_with("\\x") ? rest.substr(0, rest.size() - 2) : rest + "\n";
    } else if (word == "fault") {
      fault_ = rest;
    } else if (word == "any rows") {
      step_.order.kind = Order::Kind::kCount;
    } else if (word == "ties" || word == "ties, cut") {
      step_.order.kind = word == "ties" ? Order::Kind::kTies : Order::Kind::kTiesCut;
      std::istringstream columns(rest);
      for (int column; columns >> column;) step_.order.columns.push_back(column - 1);
    } else if (word == "block" || word == "string") {
      if (open_) fail("a block within a block");
      begin_case();
      cases_.back().block = word == "block";
      cases_.back().string = word == "string";
      open_ = true;
    } else if (word == "end") {
      if (!open_) fail("no block to end");
      open_ = false;
    }
  }

  void statement(const std::string& line) {
    sql_ += (sql_.empty() ? "" : "\n") + line;
    if (!line.ends_with(";")) return;
    sql_.pop_back();
    if (!open_) begin_case();
    if (step_.order.kind == Order::Kind::kFree && is_ordered(sql_)) step_.order.kind = Order::Kind::kTotal;
    if (open_ && cases_.back().string && !cases_.back().steps.empty()) {
      cases_.back().steps.back().sql += ";\n" + sql_;
    } else {
      step_.sql = sql_;
      cases_.back().steps.push_back(std::move(step_));
    }
    step_ = Step();
    sql_.clear();
  }

  void begin_case() {
    if (shape_.empty()) fail("no shape");
    auto& next = cases_.emplace_back();
    next.shape = shape_;
    next.place = std::filesystem::path(file_).filename().string() + ":" + std::to_string(number_);
    next.fault = std::exchange(fault_, "");
    next.writes = writes_;
  }

  std::string file_, shape_, sql_, fault_;
  int number_ = 0;
  bool writes_ = false, open_ = false;
  Step step_;
  std::vector<Case> cases_;
};

}  // namespace

std::vector<Case> read_corpus(const std::string& file) { return Reader(file).read(); }

std::vector<Case> read_corpora(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  std::vector<Case> out;
  for (const auto& file : files) {
    for (auto& one : read_corpus(file)) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace howdah::parity
