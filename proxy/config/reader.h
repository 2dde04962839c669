// Walks the YAML tree and collects every fault with its line.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/config/config.h"

namespace howdah::config {

// A value of the file and how to speak of it.
struct Entry {
  std::string path;  // "databases.app.shards[0].name"
  std::string key;   // its last part
  int line = 0;
  YAML::Node value;
};

// One load's worth of state. Every take_* reports its own faults and answers nothing when there was one.
class Reader {
 public:
  explicit Reader(std::string file);

  void fault(int line, std::string message);
  void warn(int line, std::string message);
  // Of another file that this one names.
  void fault_in(const std::string& file, int line, std::string message);
  std::vector<Fault> take_faults();  // in file order
  std::vector<Fault> take_warnings();

  // The entries of a map in file order; duplicates are faults and left out.
  std::optional<std::vector<Entry>> take_map(const Entry& entry);
  std::optional<std::vector<Entry>> take_list(const Entry& entry);
  // A scalar with ${NAME} replaced ("$${" stays a literal "${").
  std::optional<std::string> take_text(const Entry& entry);
  // As take_text, or { file: PATH }: the file's content without line ends at its end.
  std::optional<std::string> take_secret(const Entry& entry);

  // `path` as seen from the configuration file's folder.
  std::string resolve(const std::string& path) const;
  // Reports that `entry` is not among `known`, naming the nearest.
  void unknown_key(const Entry& entry, const std::vector<std::string>& known);

 private:
  std::optional<std::string> substitute(const Entry& entry, std::string_view text);
  std::optional<std::string> read_secret_file(const Entry& entry, const std::string& path);

  std::string file_;
  std::vector<Fault> faults_;
  std::vector<Fault> warnings_;
};

// Line of a node, from 1; `fallback` when yaml-cpp does not know it.
int line_of(const YAML::Node& node, int fallback);

}  // namespace howdah::config
