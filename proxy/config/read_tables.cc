#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

using sharding::TableRule;
using sharding::TableRuleKind;

void read_hash(TableRule& rule, Reader& reader, const Entry& entry) {
  const auto column = reader.take_text(entry);
  if (!column) return;
  if (column->empty() || column->size() > 63)
    reader.fault(entry.line, entry.path + ": a column's name has 1 to 63 bytes");
  rule.kind = TableRuleKind::kHash;
  rule.column = *column;
}

void read_reference(TableRule& rule, Reader& reader, const Entry& entry) {
  const auto text = reader.take_text(entry);
  if (text && *text != "true")
    reader.fault(entry.line, entry.path + ": write reference: true, or leave the table out");
  rule.kind = TableRuleKind::kReference;
}

void read_local(TableRule& rule, const std::vector<Shard>& shards, Reader& reader, const Entry& entry) {
  const auto name = reader.take_text(entry);
  rule.kind = TableRuleKind::kLocal;
  if (!name) return;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    names.push_back(shards[i].name);
    if (shards[i].name == *name) {
      rule.shard = ShardId(static_cast<std::uint16_t>(i));
      return;
    }
  }
  const auto close = nearest(*name, names);
  reader.fault(entry.line, entry.path + ": there is no shard " + quoted(*name) +
                               (close.empty() ? "" : "; did you mean " + quoted(close) + "?"));
}

TableRule read_rule(const std::vector<Shard>& shards, Reader& reader, const Entry& entry) {
  TableRule rule;
  const auto items = reader.take_map(entry);
  if (!items) return rule;
  int kinds = 0;
  for (const auto& item : *items) {
    if (item.key == "hash") {
      read_hash(rule, reader, item);
    } else if (item.key == "reference") {
      read_reference(rule, reader, item);
    } else if (item.key == "local") {
      read_local(rule, shards, reader, item);
    } else {
      reader.unknown_key(item, {"hash", "reference", "local"});
    }
    ++kinds;
  }
  if (kinds != 1) reader.fault(entry.line, entry.path + ": give one rule: hash, reference or local");
  return rule;
}

// "table" is public's; "schema.table" is as in the catalog. Empty when it is neither.
std::string catalog_name(const std::string& key) {
  const auto dot = key.find('.');
  const auto table = dot == std::string::npos ? key : key.substr(dot + 1);
  const auto schema = dot == std::string::npos ? std::string("public") : key.substr(0, dot);
  const bool sound = !table.empty() && !schema.empty() && table.size() <= 63 && schema.size() <= 63 &&
                     table.find('.') == std::string::npos;
  return sound ? schema + "." + table : std::string();
}

}  // namespace

void read_tables(Sharding& rules, Reader& reader, const Entry& entry) {
  const auto items = reader.take_map(entry);
  if (!items) return;
  for (const auto& item : *items) {
    const auto name = catalog_name(item.key);
    if (name.empty()) {
      reader.fault(item.line, item.path + ": a table is written table or schema.table");
      continue;
    }
    if (name.starts_with("howdah.") || name.starts_with("pg_catalog.") ||
        name.starts_with("information_schema.")) {
      reader.fault(item.line, item.path + ": tables of this schema are not sharded");
    }
    if (!rules.tables.emplace(name, read_rule(*rules.known_shards, reader, item)).second) {
      reader.fault(item.line, item.path + ": table " + name + " is given twice");
    }
  }
}

}  // namespace howdah::config
