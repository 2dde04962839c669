// YAML to be written, in the order it was put together, for people to read on.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace howdah::ctl {

// A scalar, a map or a list. Pure.
class Yaml {
 public:
  Yaml() = default;                              // an empty map
  static Yaml text(std::string_view value);      // quoted where YAML or ${NAME} would read something else
  static Yaml plain(std::string value);          // written as it is: numbers, durations, words of ours
  static Yaml flag(bool value) { return plain(value ? "true" : "false"); }

  Yaml& operator[](std::string_view key);        // a member of this map, made at the first use
  const Yaml* find(std::string_view key) const;  // null: no such member
  void add(Yaml item);                           // to this list
  bool empty() const { return scalar_.empty() && members_.empty() && items_.empty(); }

  std::string to_string() const { return block(0); }

 private:
  std::string block(std::size_t indent) const;
  std::string flow() const;

  std::string scalar_;
  std::vector<std::pair<std::string, Yaml>> members_;
  std::vector<Yaml> items_;
};

}  // namespace howdah::ctl
