// The line format that pg_hba.conf and pg_ident.conf share.
//
//   file    := line*                      a line that ends with a backslash goes on in the next one
//   line    := field* comment?            fields are separated by spaces and tabs
//   field   := token ("," token)*
//   token   := characters, or "quoted" where "" stands for one quote; a quoted word loses its special meaning
//   comment := "#" up to the line's end
//   @name   := as if the words of that file stood here; a relative path starts at the folder of the file that names it
//
// https://www.postgresql.org/docs/15/auth-pg-hba-conf.html
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::access {

// A mistake in a file; lines count from 1.
struct FileFault {
  std::string file;
  int line = 0;
  std::string message;
  bool operator==(const FileFault&) const = default;
};

struct Token {
  std::string text;
  bool quoted = false;  // began with a quote: no keyword
  bool is(std::string_view keyword) const { return !quoted && text == keyword; }
  bool operator==(const Token&) const = default;
};

using Field = std::vector<Token>;

struct Line {
  int number = 0;  // where it begins
  std::vector<Field> fields;
};

// The content of a file, or nothing when it cannot be read.
using FileReader = std::function<std::optional<std::string>(const std::string& path)>;

// The lines that have fields. Files named by "@" are read through `read`; one that cannot be read, or that nests deeper
// than ten, is a fault.
std::vector<Line> parse_lines(std::string_view text, const std::string& path, const FileReader& read,
                              std::vector<FileFault>& faults);

}  // namespace howdah::access
