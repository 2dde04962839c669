#include "proxy/config/reference.h"

#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

constexpr const char* kIntroduction = R"(# Configuration

Howdah reads one YAML file, named by `--config`. `howdah --config FILE --check` prints every fault as `file:line: message` and
ends with 1, or with 0 when there is none. This page is written by `howdah --print-config-reference` from the tables the file
is read with.

```yaml
listen: { address: 127.0.0.1, port: 6432 }
http:   { address: 127.0.0.1, port: 9432 }
users:
  - { name: app, password: "${APP_PASSWORD}" }
  - { name: admin, password: { file: admin.password }, admin: true }
pool:   { mode: transaction, size: 20 }
databases:
  app:
    control: { user: howdah, password: "${HOWDAH_CONTROL_PASSWORD}" }
    shards:
      - { name: s0, primary: "host=127.0.0.1 port=5501", replicas: ["host=127.0.0.1 port=5511"] }
      - { name: s1, primary: "host=127.0.0.1 port=5502", replicas: ["host=127.0.0.1 port=5512"] }
    sharding:
      buckets: 4096
      hash: postgres
      tables:
        users:      { hash: id }
        accounts:   { hash: user_id }
        categories: { reference: true }
        settings:   { local: s0 }
      functions:
        in_euros:   { shard_local: true }
```

How values are written:

- `${NAME}` is replaced by the environment's value, anywhere inside a value (quote it: YAML has its own use for braces); an unset name is a
  fault. `$${` stands for the text `${` itself.
- A *secret* is a value or `{ file: PATH }`: the file's content, without line ends at its end. Relative paths start at the configuration
  file's folder.
- A *duration* is `500ms`, `30s`, `5m`, `1h`, `7d`, or a plain number of seconds.
- A *size* is a number of bytes, or `64kB`, `16MB`, `1GB` in units of 1024.
- Unknown keys, keys given twice and values of the wrong type are faults. All faults are reported at once, and a running Howdah keeps the
  configuration it has.

*Change* says when a new value counts: `reload` at SIGHUP or the console's RELOAD, `restart` when Howdah starts.
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string code(const std::string& text) {
  return text.empty() ? "" : "`" + text + "`";
}

template <class T>
std::string default_of(const Field<T>& field) {
  if (field.required) return "required";
  if (!field.show) return "";
  const auto text = field.show(T());
  return text.empty() ? "none" : code(text);
}

template <class T>
std::string table(const std::string& title, const Section<T>& section) {
  std::string out = "\n## " + title +
                    "\n\n| key | type | default | bounds | change | meaning |\n|---|---|---|---|---|---|\n";
  for (const auto& field : section) {
    const std::string change = !field.show ? "" : field.effect == Effect::kReload ? "reload" : "restart";
    out += "| " + code(field.name) + " | " + field.type + " | " + default_of(field) + " | " +
           escaped(field.bounds) + " | " + change + " | " + escaped(field.doc) + " |\n";
  }
  return out;
}

constexpr const char* kRules = R"rules(
Table rules, under `databases.NAME.sharding.tables`; a name without a schema is in schema public. With several shards, a table without a
rule is refused.

| rule | rows live |
|---|---|
| `{ hash: column }` | on the shard that owns the bucket of the column's hash; integers, uuid and text |
| `{ reference: true }` | on every shard, a full copy each |
| `{ local: shard }` | on the one shard named |

Declared functions, under `databases.NAME.sharding.functions`; a name without a schema is in schema public. With several shards, a statement
that is not restricted to one key value may call a function of users only if it is declared here.

| name | |
|---|---|
| `in_euros: { shard_local: true }` | all functions of that name |
| `"sales.rank_of(bigint, text)": { shard_local: true }` | this one; calls are permitted when all functions of that name are declared |

The declaration is a promise that no server can check: the function reads no rows of sharded or local tables but those with the sharding key of
the row that it is called for (rows of reference tables are free), and calls nothing that reads others. Then its result is the one that a single
PostgreSQL would give.
)rules";

}  // namespace

std::string config_reference_markdown() {
  return kIntroduction + table("The file", top_section()) + table("listen", listen_section()) +
         table("listen.tls", tls_section()) + table("listen.unix_socket", unix_socket_section()) +
         table("hba", hba_section()) + table("http", http_section()) +
         table("users[]", user_section()) +
         table("users[].limits, databases.NAME.limits", overrides_section()) + table("pool", pool_section()) +
         table("limits", limits_section()) + table("rate_limits[]", rate_limit_section()) + table("blocks[]", block_section()) +
         table("restart", restart_section()) + table("logging", logging_section()) +
         table("databases.NAME", database_section()) + table("databases.NAME.control", account_section()) +
         table("databases.NAME.auth_query", auth_query_section()) +
         table("databases.NAME.breaker", breaker_section()) + table("databases.NAME.shards[]", shard_section()) +
         table("databases.NAME.sharding", sharding_section()) + kRules;
}

}  // namespace howdah::config
