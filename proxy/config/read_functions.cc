#include <algorithm>

#include "proxy/config/sections.h"
#include "sharding/sql/function_rules.h"

namespace howdah::config {
namespace {

// "name", "schema.name", either with an argument list behind it; as in the catalog. Empty when it is none of these.
std::string catalog_name(std::string_view key) {
  const auto dot = key.find('.');
  const auto name = dot == std::string_view::npos ? key : key.substr(dot + 1);
  const auto schema = dot == std::string_view::npos ? std::string_view("public") : key.substr(0, dot);
  const bool sound = !name.empty() && !schema.empty() && name.size() <= 63 && schema.size() <= 63 && name.find('.') == std::string_view::npos;
  return sound ? std::string(schema) + "." + std::string(name) : std::string();
}

bool read_rule(Reader& reader, const Entry& entry) {
  const auto items = reader.take_map(entry);
  if (!items) return false;
  bool declared = false;
  for (const auto& item : *items) {
    if (item.key != "shard_local") {
      reader.unknown_key(item, {"shard_local"});
      continue;
    }
    const auto text = reader.take_text(item);
    if (text && *text != "true") reader.fault(item.line, item.path + ": write shard_local: true, or leave the function out");
    declared = true;
  }
  if (!declared) reader.fault(entry.line, entry.path + ": write { shard_local: true }");
  return declared;
}

}  // namespace

void read_functions(Sharding& rules, Reader& reader, const Entry& entry) {
  const auto items = reader.take_map(entry);
  if (!items) return;
  for (const auto& item : *items) {
    const std::string_view key = item.key;
    const auto open = std::min(key.find('('), key.size());
    const auto name = catalog_name(key.substr(0, open));
    if (name.empty() || (open < key.size() && key.back() != ')')) {
      reader.fault(item.line, item.path + ": a function is written name, schema.name or schema.name(type, type)");
      continue;
    }
    if (!read_rule(reader, item)) continue;
    const std::string arguments = open < key.size() ? sharding::sql::argument_list(key.substr(open)) : std::string();
    if (!rules.shard_local[name].insert(arguments).second) reader.fault(item.line, item.path + ": function " + name + arguments + " is given twice");
  }
}

}  // namespace howdah::config
