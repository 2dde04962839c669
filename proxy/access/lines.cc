#include "proxy/access/lines.h"

#include <filesystem>

namespace howdah::access {

namespace {

constexpr int kMaxNesting = 10;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

struct RawLine {
  int number;
  std::string text;
};

// Lines with their continuations.
std::vector<RawLine> split_lines(std::string_view text) {
  std::vector<RawLine> lines;
  bool continues = false;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (continues) {
      lines.back().text += line;
    } else {
      lines.push_back({number, std::string(line)});
    }
    continues = !line.empty() && line.back() == '\\';
    if (continues) lines.back().text.pop_back();
  }
  return lines;
}

class LineParser {
 public:
  LineParser(const std::string& path, const FileReader& read, std::vector<FileFault>& faults, int depth)
      : path_(path), read_(read), faults_(faults), depth_(depth) {}

  Line parse(const RawLine& line) {
    rest_ = line.text;
    number_ = line.number;
    Line out{number_, {}};
    for (Field field; !rest_.empty(); field.clear()) {
      if (take_field(field)) out.fields.push_back(std::move(field));
    }
    return out;
  }

 private:
  // Tokens up to the one that no comma follows.
  bool take_field(Field& field) {
    bool comma = true;
    Token token;
    while (comma && take_token(token, comma)) {
      if (!token.quoted && token.text.size() > 1 && token.text[0] == '@') {
        include(token.text.substr(1), field);
      } else {
        field.push_back(std::move(token));
      }
      token = Token();
    }
    return !field.empty();
  }

  bool take_token(Token& token, bool& comma) {
    comma = false;
    while (!rest_.empty() && (is_blank(rest_.front()) || rest_.front() == ',')) rest_.remove_prefix(1);
    if (rest_.empty()) return false;
    if (rest_.front() == '#') {
      rest_ = {};
      return false;
    }
    token.quoted = rest_.front() == '"';
    bool in_quotes = false;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (!in_quotes && (is_blank(c) || c == '#')) break;
      rest_.remove_prefix(1);
      if (!in_quotes && c == ',') {
        comma = true;
        break;
      }
      if (c != '"') {
        token.text += c;
      } else if (in_quotes && !rest_.empty() && rest_.front() == '"') {
        token.text += '"';
        rest_.remove_prefix(1);
      } else {
        in_quotes = !in_quotes;
      }
    }
    if (in_quotes) faults_.push_back({path_, number_, "a quote is not closed"});
    return true;
  }

  void include(const std::string& name, Field& field) {
    const std::string path = (std::filesystem::path(path_).parent_path() / name).string();
    if (depth_ >= kMaxNesting) {
      faults_.push_back({path_, number_, "@" + name + ": files include each other more than ten deep"});
      return;
    }
    const auto text = read_(path);
    if (!text) {
      faults_.push_back({path_, number_, "@" + name + ": cannot read file " + path});
      return;
    }
    LineParser inner(path, read_, faults_, depth_ + 1);
    for (const auto& line : split_lines(*text)) {
      for (auto& words : inner.parse(line).fields) {
        for (auto& word : words) field.push_back(std::move(word));
      }
    }
  }

  const std::string path_;
  const FileReader& read_;
  std::vector<FileFault>& faults_;
  const int depth_;
  std::string_view rest_;
  int number_ = 0;
};

}  // namespace

std::vector<Line> parse_lines(std::string_view text, const std::string& path, const FileReader& read,
                              std::vector<FileFault>& faults) {
  std::vector<Line> lines;
  LineParser parser(path, read, faults, 0);
  for (const auto& raw : split_lines(text)) {
    Line line = parser.parse(raw);
    if (!line.fields.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace howdah::access
