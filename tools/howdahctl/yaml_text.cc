#include "tools/howdahctl/yaml_text.h"

#include <algorithm>
#include <cctype>

namespace howdah::ctl {
namespace {

// Words that stay what they are without quotes; all else is quoted, which is never wrong.
bool is_bare(std::string_view text) {
  static constexpr std::string_view kWords[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"};
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
  if (!std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '/'; })) return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords);
}

std::string quoted(std::string_view text, bool is_key) {
  if (is_bare(text)) return std::string(text);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '$' && !is_key && text.substr(i + 1).starts_with("{")) {
      out += "$$";  // ${NAME} would be replaced by the environment's value
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += {'\\', 'x', kHex[(c >> 4) & 15], kHex[c & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

Yaml Yaml::text(std::string_view value) { return plain(quoted(value, false)); }

Yaml Yaml::plain(std::string value) {
  Yaml out;
  out.scalar_ = std::move(value);
  return out;
}

Yaml& Yaml::operator[](std::string_view key) {
  for (auto& [name, value] : members_) {
    if (name == key) return value;
  }
  return members_.emplace_back(key, Yaml{}).second;
}

const Yaml* Yaml::find(std::string_view key) const {
  for (const auto& [name, value] : members_) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Yaml::add(Yaml item) { items_.push_back(std::move(item)); }

std::string Yaml::flow() const {
  if (!scalar_.empty()) return scalar_;
  std::string out;
  for (const auto& item : items_) out += (out.empty() ? "" : ", ") + item.flow();
  if (!items_.empty()) return "[" + out + "]";
  for (const auto& [name, value] : members_) out += (out.empty() ? "" : ", ") + quoted(name, true) + ": " + value.flow();
  return out.empty() ? "{}" : "{ " + out + " }";
}

std::string Yaml::block(std::size_t indent) const {
  std::string out;
  const std::string margin(indent, ' ');
  for (const auto& item : items_) out += margin + "- " + item.flow() + "\n";
  for (const auto& [name, value] : members_) {
    out += margin + quoted(name, true) + ":";
    if (value.members_.empty() && value.items_.empty()) {
      out += " " + value.flow() + "\n";
    } else {
      out += "\n" + value.block(indent + 2);
    }
  }
  return out;
}

}  // namespace howdah::ctl
