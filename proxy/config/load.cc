#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>

#include "proxy/config/sections.h"
#include "proxy/config/yaml_shape.h"

namespace howdah::config {
namespace {

constexpr std::size_t kMaxFileBytes = 4 * 1024 * 1024;

Loaded one_fault(const std::string& path, int line, std::string message) {
  Loaded loaded;
  loaded.faults.push_back({path, line, std::move(message)});
  return loaded;
}

Loaded read_document(const YAML::Node& document, const std::string& path) {
  auto config = std::make_shared<Config>();
  config->path = path;
  Reader reader(path);
  read_section(reader, top_section(), Entry{"", "", line_of(document, 1), document}, *config);
  if (config->http.port == 0) config->http.enabled = false;
  if (config->http.enabled && config->http.port == config->listen.port &&
      config->http.address == config->listen.address) {
    reader.fault(line_of(document["http"], 1), "http: listens on the same address and port as listen");
  }
  for (const auto& [name, database] : config->databases) {
    if (database.rules.hash == sharding::HashKind::kXxh64) {
      reader.warn(
          0, "databases." + name +
                 ": servers compute xxh64 about fifty times slower than PostgreSQL's own hash; moves and "
                 "checks will take longer");
    }
  }
  check_access(*config, reader);
  Loaded loaded;
  loaded.faults = reader.take_faults();
  loaded.warnings = reader.take_warnings();
  if (loaded.faults.empty()) loaded.config = std::move(config);
  return loaded;
}

}  // namespace

std::string Fault::to_string() const {
  return line == 0 ? file + ": " + message : file + ":" + std::to_string(line) + ": " + message;
}

Loaded load_text(const std::string& text, const std::string& path) {
  if (text.size() > kMaxFileBytes) return one_fault(path, 0, "the file is larger than 4 MB");
  try {
    if (auto faults = shape_faults(text, path); !faults.empty()) {
      Loaded loaded;
      loaded.faults = std::move(faults);
      return loaded;
    }
    const auto document = YAML::Load(text);
    if (document.IsNull()) return one_fault(path, 0, "the file is empty");
    if (!document.IsMap())
      return one_fault(path, line_of(document, 1), "the file must be a map of keys and values");
    return read_document(document, path);
  } catch (const YAML::Exception& error) {
    return one_fault(path, error.mark.line < 0 ? 0 : error.mark.line + 1, "YAML: " + error.msg);
  } catch (const std::exception& error) {
    return one_fault(path, 0, error.what());
  }
}

Loaded load_file(const std::string& path) {
  std::ifstream input(path, std::ios::binary);
  if (!input.is_open()) return one_fault(path, 0, std::string("cannot be opened: ") + std::strerror(errno));
  std::string text;
  try {
    text.assign(std::istreambuf_iterator<char>(input), {});
  } catch (const std::exception&) {  // the stream buffer's own, of a folder for example
    return one_fault(path, 0, std::string("cannot be read: ") + std::strerror(errno));
  }
  if (input.bad()) return one_fault(path, 0, "cannot be read");
  return load_text(text, path);
}

}  // namespace howdah::config
