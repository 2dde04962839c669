#include "proxy/config/reader.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "proxy/config/values.h"

namespace howdah::config {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

std::string joined(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// The configuration's own first, then those of the files that it names.
std::vector<Fault> in_file_order(std::vector<Fault> faults, const std::string& first) {
  std::stable_sort(faults.begin(), faults.end(), [&](const Fault& a, const Fault& b) {
    if (a.file != b.file) return a.file == first || (b.file != first && a.file < b.file);
    return a.line < b.line;
  });
  return faults;
}

bool is_name_char(char c) {
  return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

int line_of(const YAML::Node& node, int fallback) {
  const int line = node.Mark().line;
  return line < 0 ? fallback : line + 1;
}

Reader::Reader(std::string file) : file_(std::move(file)) {}

void Reader::fault(int line, std::string message) {
  faults_.push_back({file_, line, std::move(message)});
}
void Reader::fault_in(const std::string& file, int line, std::string message) {
  faults_.push_back({file, line, std::move(message)});
}
void Reader::warn(int line, std::string message) {
  warnings_.push_back({file_, line, std::move(message)});
}
std::vector<Fault> Reader::take_faults() {
  return in_file_order(std::move(faults_), file_);
}
std::vector<Fault> Reader::take_warnings() {
  return in_file_order(std::move(warnings_), file_);
}

std::optional<std::vector<Entry>> Reader::take_map(const Entry& entry) {
  if (!entry.value.IsMap()) {
    fault(entry.line, entry.path + " must be a map of keys and values");
    return std::nullopt;
  }
  std::vector<Entry> entries;
  std::set<std::string> seen;
  for (const auto& item : entry.value) {
    const int line = line_of(item.first, entry.line);
    if (!item.first.IsScalar()) {
      fault(line, "a key of " + (entry.path.empty() ? "the file" : entry.path) + " is not a word");
      continue;
    }
    const std::string key = item.first.Scalar();
    Entry found{joined(entry.path, key), key, line, item.second};
    if (!seen.insert(key).second) {
      fault(line, found.path + " is given twice");
      continue;
    }
    // A value that starts on a later line than its key is reported where it starts.
    if (item.second.IsScalar()) found.line = line_of(item.second, line);
    entries.push_back(std::move(found));
  }
  return entries;
}

std::optional<std::vector<Entry>> Reader::take_list(const Entry& entry) {
  if (!entry.value.IsSequence()) {
    fault(entry.line, entry.path + " must be a list");
    return std::nullopt;
  }
  std::vector<Entry> entries;
  for (const YAML::Node& item : entry.value) {
    const std::string index = "[" + std::to_string(entries.size()) + "]";
    entries.push_back({entry.path + index, index, line_of(item, entry.line), item});
  }
  return entries;
}

std::optional<std::string> Reader::take_text(const Entry& entry) {
  if (!entry.value.IsDefined() || entry.value.IsNull()) {
    fault(entry.line, entry.path + " needs a value");
    return std::nullopt;
  }
  if (!entry.value.IsScalar()) {
    fault(entry.line,
          entry.path + " must be a single value, not a " + (entry.value.IsMap() ? "map" : "list"));
    return std::nullopt;
  }
  return substitute(entry, entry.value.Scalar());
}

std::optional<std::string> Reader::substitute(const Entry& entry, std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto at = text.find("${");
    out += text.substr(0, at);
    if (at == std::string_view::npos) break;
    if (at > 0 && text[at - 1] == '$') {  // "$${": the first dollar quotes the second
      out += '{';
      text.remove_prefix(at + 2);
      continue;
    }
    const auto end = text.find('}', at);
    const auto name = std::string(text.substr(at + 2, end == std::string_view::npos ? end : end - at - 2));
    if (end == std::string_view::npos || name.empty() ||
        !std::all_of(name.begin(), name.end(), is_name_char)) {
      fault(
          entry.line,
          entry.path +
              ": \"${\" must be followed by a variable's name and \"}\" (write \"$${\" for the text itself)");
      return std::nullopt;
    }
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) {
      fault(entry.line, entry.path + ": environment variable " + name + " is not set");
      return std::nullopt;
    }
    out += value;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::optional<std::string> Reader::take_secret(const Entry& entry) {
  if (!entry.value.IsMap()) return take_text(entry);
  const auto entries = take_map(entry);
  if (!entries) return std::nullopt;
  std::optional<std::string> path;
  for (const auto& item : *entries) {
    if (item.key == "file") {
      path = take_text(item);
    } else {
      unknown_key(item, {"file"});
    }
  }
  if (!path) {
    if (entries->empty()) fault(entry.line, entry.path + " must be a value or { file: PATH }");
    return std::nullopt;
  }
  return read_secret_file(entry, resolve(*path));
}

std::optional<std::string> Reader::read_secret_file(const Entry& entry, const std::string& path) {
  std::error_code error;
  std::ifstream input;
  if (std::filesystem::is_regular_file(path, error)) input.open(path, std::ios::binary);
  if (!input.is_open()) {
    fault(entry.line, entry.path + ": cannot read file " + path);
    return std::nullopt;
  }
  std::string content(std::istreambuf_iterator<char>(input), {});
  while (!content.empty() && (content.back() == '\n' || content.back() == '\r')) content.pop_back();
  if (content.size() > kMaxSecretBytes) {
    fault(entry.line, entry.path + ": file " + path + " is larger than 64 kB");
    return std::nullopt;
  }
  return content;
}

std::string Reader::resolve(const std::string& path) const {
  return (std::filesystem::path(file_).parent_path() / path).string();
}

void Reader::unknown_key(const Entry& entry, const std::vector<std::string>& known) {
  const auto dot = entry.path.size() - std::min(entry.path.size(), entry.key.size());
  const std::string where = dot > 1 ? " in " + entry.path.substr(0, dot - 1) : "";
  const auto close = nearest(entry.key, known);
  fault(entry.line,
        "unknown key \"" + entry.key + "\"" + where +
            (close.empty() ? " (known: " + list_of(known) + ")" : "; did you mean \"" + close + "\"?"));
}

}  // namespace howdah::config
