#include "proxy/config/sections.h"

#include <arpa/inet.h>

namespace howdah::config {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr auto kReload = Effect::kReload;
constexpr auto kRestart = Effect::kRestart;

bool is_ip_address(const std::string& text) {
  in6_addr buffer{};
  return inet_pton(AF_INET, text.c_str(), &buffer) == 1 || inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

template <class T>
Field<T> address_field(std::string T::*member, std::string doc) {
  auto field = text_field("address", member, kRestart, std::move(doc));
  field.type = "IP address";
  field.read = [member](T& out, Reader& reader, const Entry& entry) {
    const auto text = reader.take_text(entry);
    if (!text) return;
    if (!is_ip_address(*text))
      reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is not an IP address");
    out.*member = *text;
  };
  return field;
}

template <class T>
Field<T> path_field(std::string name, std::string T::*member, std::string doc) {
  auto field = text_field(std::move(name), member, kRestart, std::move(doc));
  field.type = "path";
  field.read = [member](T& out, Reader& reader, const Entry& entry) {
    const auto text = reader.take_text(entry);
    if (text) out.*member = text->empty() ? *text : reader.resolve(*text);
  };
  return field;
}

Field<User> pool_size_field() {
  auto field = integer_field("size", &Pool::size, 1, 10'000, kReload, "");
  return {"pool_size",
          field.type,
          field.bounds,
          kReload,
          "This user's own `pool.size`; without it, `pool.size` counts.",
          [field](User& user, Reader& reader, const Entry& entry) {
            Pool pool;
            field.read(pool, reader, entry);
            user.pool_size = pool.size;
          },
          [](const User& user) { return user.pool_size ? std::to_string(*user.pool_size) : std::string(); }};
}

Field<User> valid_until_field() {
  auto field = text_field("valid_until", &User::valid_until, kReload,
                          "Until when the password counts, as `2030-12-31` or `2030-12-31 18:00:00+01`; UTC without an offset.");
  field.type = "time";
  field.read = [](User& user, Reader& reader, const Entry& entry) {
    const auto text = reader.take_text(entry);
    if (!text) return;
    user.valid_until = *text;
    if (const auto time = parse_time(*text)) {
      user.expires = *time;
    } else {
      reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is " + time.error().message);
    }
  };
  return field;
}

// A value that may be absent, read and described as `field` is.
template <class V>
struct Given {
  V value{};
};

template <class T, class V>
Field<T> optional_field(Field<Given<V>> field, std::optional<V> T::*member) {
  return {field.name,
          field.type,
          field.bounds,
          field.effect,
          field.doc,
          [field, member](T& out, Reader& reader, const Entry& entry) {
            Given<V> given;
            field.read(given, reader, entry);
            out.*member = given.value;
          },
          [field, member](const T& from) { return from.*member ? field.show({*(from.*member)}) : std::string(); }};
}

// A nested section that is a plain member.
template <class T, class Inner>
Field<T> section_field(std::string name, Inner T::*member, const Section<Inner>& section, std::string doc) {
  return nested_field<T>(std::move(name), "section", std::move(doc),
                         [member, &section](T& out, Reader& reader, const Entry& entry) {
                           read_section(reader, section, entry, out.*member);
                         });
}

}  // namespace

bool is_short_name(const std::string& text) {
  return !text.empty() && text.size() <= 24 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

const Section<Config>& top_section() {
  static const Section<Config> section{
      short_name_field("cluster", &Config::cluster, kRestart,
                       "The name of this set of shards, in transaction ids and in the stamps that keep a "
                       "proxy from the wrong servers."),
      integer_field("workers", &Config::workers, 0, 256, kRestart, "Worker threads; 0 means one per core."),
      text_field("zone", &Config::zone, kReload,
                 "Where this proxy stands (an availability zone, a data centre): replicas with the same `zone` in their connection string are read first."),
      section_field("listen", &Config::listen, listen_section(), "Where clients connect."),
      section_field("http", &Config::http, http_section(), "Where /metrics, /health and /ready are served."),
      nested_field<Config>("hba", "section", "Who may connect from where, and how they prove who they are.", read_hba),
      nested_field<Config>("users", "list",
                           "Who may log in. At least one, unless `users_file` or an `auth_query` names them.",
                           read_users),
      [] {
        auto field = text_field("users_file", &Config::users_file, kReload,
                                "More users, in the format of PgBouncer's `auth_file`: `\"name\" \"secret\"` a line. A user "
                                "of `users` without `password` has it from here.");
        field.read = read_users_file;
        return field;
      }(),
      section_field("pool", &Config::pool, pool_section(), "Connections from Howdah to the servers."),
      section_field("limits", &Config::limits, limits_section(), "What clients may use up."),
      nested_field<Config>("rate_limits", "list", "How often statements may come; each limit counts by itself, and a statement needs the leave of all that fit it.", read_rate_limits),
      nested_field<Config>("blocks", "list", "Statements that nobody may run, by fingerprint; the console's BLOCK adds to them.", read_blocks),
      section_field("restart", &Config::restart, restart_section(), "How one process follows another without a client's noticing."),
      section_field("logging", &Config::logging, logging_section(), "Where the log goes and how much of it."),
      nested_field<Config>("databases", "map", "What clients can connect to, by name. At least one.",
                           read_databases)
          .must()};
  return section;
}

const Section<Listen>& listen_section() {
  static const Section<Listen> section{
      address_field(&Listen::address, "Address to listen on; `0.0.0.0` or `::` for all."),
      integer_field("port", &Listen::port, 1, 65535, kRestart, "TCP port to listen on."),
      integer_field("backlog", &Listen::backlog, 1, 65535, kRestart,
                    "Connections that the kernel holds until they are accepted (it may cap this at "
                    "net.core.somaxconn)."),
      nested_field<Listen>("tls", "section", "Encryption toward clients.", read_tls),
      nested_field<Listen>("unix_socket", "section", "A socket in the file system, next to TCP.", read_unix_socket)};
  return section;
}

const Section<Tls>& tls_section() {
  static const Section<Tls> section{
      choice_field("mode", &Tls::mode,
                   Choices<TlsMode>{{"disable", TlsMode::kDisable},
                                    {"allow", TlsMode::kAllow},
                                    {"prefer", TlsMode::kPrefer},
                                    {"require", TlsMode::kRequire}},
                   kReload,
                   "`disable` refuses TLS, `allow` and `prefer` leave the choice to the client, `require` "
                   "rejects plain connections."),
      text_field("cert", &Tls::cert, kReload,
                 "Certificate chain in PEM; a relative path starts at the configuration file's folder."),
      text_field("key", &Tls::key, kReload, "Private key in PEM, without a passphrase."),
      text_field("client_ca", &Tls::client_ca, kReload,
                 "Certificates in PEM that clients' certificates must be signed by; without it, clients are not asked "
                 "for any. Needed for `cert` and `clientcert` in access rules."),
      choice_field("min_version", &Tls::min_version,
                   Choices<TlsVersion>{{"TLSv1.2", TlsVersion::k12}, {"TLSv1.3", TlsVersion::k13}}, kReload,
                   "The lowest TLS version that is spoken with clients.")};
  return section;
}

const Section<Http>& http_section() {
  static const Section<Http> section{
      address_field(&Http::address, "Address to listen on."),
      integer_field("port", &Http::port, 0, 65535, kRestart, "TCP port; 0 turns the endpoint off."),
      boolean_field("enabled", &Http::enabled, kRestart, "`false` turns the endpoint off.")};
  return section;
}

const Section<Pool>& pool_section() {
  static const Section<Pool> section{
      choice_field(
          "mode", &Pool::mode,
          Choices<PoolMode>{{"transaction", PoolMode::kTransaction}, {"session", PoolMode::kSession}},
          kReload,
          "When a server connection goes back to the pool: after each transaction, or when the client "
          "leaves."),
      integer_field("size", &Pool::size, 1, 10'000, kReload,
                    "The most server connections per (database, user, server), over all workers; each "
                    "primary and replica counts apart."),
      integer_field("min_size", &Pool::min_size, 0, 10'000, kReload,
                    "Server connections per (database, user, server) that are kept open once a client has come; "
                    "PgBouncer's min_pool_size."),
      integer_field("reserve_size", &Pool::reserve_size, 0, 10'000, kReload,
                    "So many more than `size` while a client has waited for `reserve_timeout`; PgBouncer's "
                    "reserve_pool_size."),
      duration_field("reserve_timeout", &Pool::reserve_timeout, milliseconds(0), hours(1), kReload,
                     "How long a client waits before the reserve is used."),
      duration_field("wait_notice", &Pool::wait_notice, milliseconds(0), hours(1), kReload,
                     "A client that has waited this long for a server connection gets a NOTICE, once; 0 sends none."),
      duration_field(
          "wait_timeout", &Pool::wait_timeout, milliseconds(0), days(1), kReload,
          "How long a client waits for a server connection before it gets an error; 0 waits without limit."),
      duration_field("queue_time", &Pool::queue_time, milliseconds(0), hours(1), kReload,
                     "When the clients that wait for a server connection could not all be served within this time, those that came last from the address "
                     "with the most of them are refused at once (53300), and nobody waits longer than twice this; 0 lets the queue grow."),
      duration_field("connect_timeout", &Pool::connect_timeout, milliseconds(10), minutes(10), kReload,
                     "How long connecting and logging in to a server may take."),
      duration_field("idle_timeout", &Pool::idle_timeout, milliseconds(0), days(1), kReload,
                     "An idle server connection is closed after this; 0 keeps it."),
      duration_field(
          "lifetime", &Pool::lifetime, milliseconds(0), days(7), kReload,
          "A server connection older than this is replaced when it becomes idle; 0 sets no limit."),
      choice_field(
          "session_state", &Pool::session_state,
          Choices<SessionState>{{"pin", SessionState::kPin}, {"refuse", SessionState::kRefuse}},
          kReload,
          "Temporary tables, cursors WITH HOLD, advisory locks of the session, LOAD: `pin` keeps the server connection with "
          "the client until they are gone, `refuse` answers 0A000."),
      integer_field(
          "prepared_statements", &Pool::prepared_statements, 0, 100'000, kReload,
          "Prepared statements kept per server connection; 0 refuses named statements in transaction mode.")};
  return section;
}

const Section<Limits>& limits_section() {
  static const Section<Limits> section{
      integer_field("clients", &Limits::clients, 1, 1'000'000, kReload,
                    "Connected clients; the admin console is exempt."),
      integer_field("clients_per_user", &Limits::clients_per_user, 0, 1'000'000, kReload,
                    "Connected clients of one user; 0 sets no limit."),
      integer_field("clients_per_database", &Limits::clients_per_database, 0, 1'000'000, kReload,
                    "Connected clients of one database; 0 sets no limit."),
      integer_field("server_connections", &Limits::server_connections, 0, 100'000, kReload,
                    "Server connections to one server, over all databases and users; 0 sets no limit. Pools share it "
                    "fairly."),
      integer_field("server_connections_per_database", &Limits::server_connections_per_database, 0, 100'000, kReload,
                    "Server connections to one server for one database, over all users (PgBouncer's "
                    "max_db_connections); 0 sets no limit."),
      integer_field("server_connections_per_user", &Limits::server_connections_per_user, 0, 100'000, kReload,
                    "Server connections to one server for one user, over all databases (PgBouncer's "
                    "max_user_connections); 0 sets no limit."),
      duration_field("login_timeout", &Limits::login_timeout, seconds(1), minutes(10), kReload,
                     "How long a client may take to log in."),
      duration_field(
          "idle_timeout", &Limits::idle_timeout, milliseconds(0), days(30), kReload,
          "A client outside a transaction that sends nothing for this long is disconnected; 0 never."),
      duration_field("idle_in_transaction_timeout", &Limits::idle_in_transaction_timeout, milliseconds(0),
                     days(30), kReload,
                     "A client inside a transaction that sends nothing for this long is disconnected and "
                     "rolled back; 0 never."),
      duration_field("transaction_timeout", &Limits::transaction_timeout, milliseconds(0), days(30), kReload,
                     "A client whose transaction takes longer is disconnected and rolled back, but not once a two-phase "
                     "commit has begun; 0 never."),
      duration_field("query_timeout", &Limits::query_timeout, milliseconds(0), days(30), kReload,
                     "A statement that takes longer on its servers is canceled, but not once a two-phase commit has "
                     "begun; 0 never."),
      integer_field("gather_bytes", &Limits::gather_bytes, 65'536, 0x3fffffff, kReload,
                    "Rows that one query over several shards may gather for its last step (aggregates, DISTINCT and window "
                    "functions without the sharding key), or an UPDATE of the key may move, in bytes; more of them end it with SQLSTATE 53200."),
      integer_field("statements", &Limits::statements, 0, 1'000'000, kReload,
                    "Prepared statements that one client may have; 0 sets no limit."),
      size_field("message_bytes", &Limits::message_bytes, 1024, 0x3fffffff, kReload,
                 "The largest message accepted from a client."),
      integer_field("retry_percentage", &Limits::retry_percentage, 0, 100, kReload,
                    "What the proxy may repeat by itself (reads whose server was lost, logins at servers that failed), in percent of the "
                    "statements of the last second; beyond it the error goes to the client."),
      integer_field("retry_minimum", &Limits::retry_minimum, 0, 100'000, kReload,
                    "So many more per second and worker, however few statements there are.")};
  return section;
}

const Section<Restart>& restart_section() {
  static const Section<Restart> section{
      path_field("socket", &Restart::socket,
                 "Path of a unix socket where a process started with `--takeover` asks for the listening sockets and the "
                 "clients of the running one; empty: restarts disconnect clients."),
      path_field("pid_file", &Restart::pid_file, "Path of a file with the process id of the process that serves."),
      duration_field("drain_timeout", &Restart::drain_timeout, milliseconds(0), days(7), kReload,
                     "How long a process that was taken over from serves the clients that cannot move (TLS, pinned to a "
                     "server connection); then they are told to go. 0 sets no limit.")};
  return section;
}

const Section<Logging>& logging_section() {
  static const Section<Logging> section{
      [] {
        auto field = text_field("level", &Logging::level, kReload,
                                "What is logged: messages of this level and the graver ones.");
        const auto choices = choice_field("level", &Logging::level,
                                          Choices<std::string>{{"trace", "trace"},
                                                               {"debug", "debug"},
                                                               {"info", "info"},
                                                               {"warn", "warn"},
                                                               {"error", "error"},
                                                               {"off", "off"}},
                                          kReload, "");
        field.type = choices.type;
        field.bounds = choices.bounds;
        field.read = choices.read;
        return field;
      }(),
      text_field("file", &Logging::file, kRestart, "Path of the log file; empty means standard error.")};
  return section;
}

Choices<ReplicaReads> replica_reads_choices() { return {{"on", ReplicaReads::kOn}, {"off", ReplicaReads::kOff}, {"only", ReplicaReads::kOnly}}; }

const Section<User>& user_section() {
  static const Section<User> section{
      text_field("name", &User::name, kReload, "The role's name, the same on the servers.").must(),
      secret_field(
          "password", &User::password, kReload,
          "What the client must know: the password itself, or its `md5...` or `SCRAM-SHA-256$...` verifier. Without it "
          "no password fits, but trust, cert and peer may."),
      secret_field("server_password", &User::server_password, kReload,
                   "The password toward the servers; without it, `password`. Without both, or where `password` is a "
                   "SCRAM verifier, a server is logged in to with the keys of the client's own SCRAM login; it must have "
                   "the same verifier."),
      valid_until_field(),
      boolean_field("admin", &User::admin, kReload, "May use the admin console."),
      boolean_field("replication", &User::replication, kReload,
                    "May open replication connections, physical and logical; the role needs REPLICATION on the server, too."),
      boolean_field("stats", &User::stats, kReload, "May use the SHOW commands of the admin console."), pool_size_field(),
      optional_field(choice_field("replica_reads", &Given<ReplicaReads>::value, replica_reads_choices(), kReload, "Instead of the database's `replica_reads`."), &User::replica_reads),
      section_field("limits", &User::limits, overrides_section(), "What counts for this user instead of the file's own limits.")};
  return section;
}

const Section<Database>& database_section() {
  static const Section<Database> section{
      section_field("control", &Database::control, account_section(),
                    "The account of probes, catalog, recovery and jobs: owner of schema `howdah`, member of "
                    "pg_monitor, pg_signal_backend and every "
                    "application role, or a superuser. Without it (one shard only), every statement goes to "
                    "the primary."),
      nested_field<Database>("auth_query", "section", "Looks up users that `users` does not name on the servers.",
                             read_auth_query),
      nested_field<Database>(
          "shards", "list",
          "The servers, at least one shard. The order is the shards' numbering: append, never reorder.",
          read_shards)
          .must(),
      nested_field<Database>("sharding", "section", "Which table is sharded how.",
                             [](Database& database, Reader& reader, const Entry& entry) {
                               Sharding sharding;
                               sharding.known_shards = &database.shards;
                               read_section(reader, sharding_section(), entry, sharding);
                               const sharding::Rules& rules = sharding;  // less what only reading needs
                               database.rules = rules;
                             }),
      section_field("limits", &Database::limits, overrides_section(),
                    "What counts for this database instead of the file's own limits; a user's limits come first."),
      choice_field("replica_reads", &Database::replica_reads,
                   replica_reads_choices(), kReload,
                   "Where reads proven read-only go: `on` to a replica that shows all its client has seen, else to the primary; `off` to the primary; `only` never to the primary "
                   "(outside transactions that may write)."),
      boolean_field("primary_reads", &Database::primary_reads, kReload,
                    "Whether a primary answers the reads of its replicas while all of them are down; `false` refuses them (08006), so that the primary is not overrun."),
      choice_field("balance", &Database::balance,
                   Choices<Balance>{{"least_outstanding", Balance::kLeastOutstanding}, {"weighted", Balance::kWeighted},
                                    {"round_robin", Balance::kRoundRobin}, {"fastest", Balance::kFastest}}, kReload,
                   "Which replica answers a read, of those that show all its client has seen: the one with the fewest statements for its weight, by `weight` at random, in turn, or "
                   "of two at random mostly the one that answers sooner of late."),
      duration_field("slow_start", &Database::slow_start, milliseconds(0), hours(1), kReload,
                     "A replica that comes back gets its share of the reads little by little, for this long; 0 all at once."),
      duration_field("max_lag", &Database::max_lag, milliseconds(0), hours(24), kReload,
                     "A replica that has not replayed what its primary had written this long ago is not read, not even with `howdah.consistency = eventual`; 0 sets no limit."),
      size_field("max_lag_bytes", &Database::max_lag_bytes, 0, std::int64_t{1} << 50, kReload,
                 "The same by bytes of WAL between the primary and the replica; 0 sets no limit."),
      section_field("breaker", &Database::breaker, breaker_section(), "When a server that is reachable, but sick, is left alone for a while."),
      duration_field("probe_interval", &Database::probe_interval, milliseconds(10), seconds(10), kReload,
                     "How often primaries and replicas are asked for their WAL positions."),
      duration_field("failover_wait", &Database::failover_wait, milliseconds(0), hours(1), kReload,
                     "How long statements wait for a primary that takes no connections until it is back, or another server has been promoted in its place; 0: they fail at once."),
      duration_field("switchover_timeout", &Database::switchover_timeout, milliseconds(100), hours(1), kReload,
                     "How long SWITCHOVER waits for transactions to end, and then for the new primary; it is undone if that is not enough."),
      duration_field("catalog_interval", &Database::catalog_interval, milliseconds(100), hours(1), kReload,
                     "How often servers are checked for schema changes made behind Howdah's back.")};
  return section;
}

const Section<Overrides>& overrides_section() {
  const auto count = [](std::string name, std::optional<std::uint32_t> Overrides::*member, std::int64_t low, std::int64_t high,
                        std::string doc) {
    return optional_field(integer_field(std::move(name), &Given<std::uint32_t>::value, low, high, kReload, std::move(doc)),
                          member);
  };
  const auto duration = [](std::string name, std::optional<milliseconds> Overrides::*member, std::string doc) {
    return optional_field(
        duration_field(std::move(name), &Given<milliseconds>::value, milliseconds(0), days(30), kReload, std::move(doc)),
        member);
  };
  static const Section<Overrides> section{
      count("pool_size", &Overrides::pool_size, 1, 10'000, "Instead of `pool.size`."),
      count("min_pool_size", &Overrides::min_pool_size, 0, 10'000, "Instead of `pool.min_size`."),
      count("reserve_pool_size", &Overrides::reserve_pool_size, 0, 10'000, "Instead of `pool.reserve_size`."),
      count("clients", &Overrides::clients, 0, 1'000'000,
            "Instead of `limits.clients_per_user`, for a database of `limits.clients_per_database`."),
      count("server_connections", &Overrides::server_connections, 0, 100'000,
            "Instead of `limits.server_connections_per_user`, for a database of "
            "`limits.server_connections_per_database`."),
      duration("wait_timeout", &Overrides::wait_timeout, "Instead of `pool.wait_timeout`."),
      duration("query_timeout", &Overrides::query_timeout, "Instead of `limits.query_timeout`."),
      duration("transaction_timeout", &Overrides::transaction_timeout, "Instead of `limits.transaction_timeout`."),
      duration("idle_timeout", &Overrides::idle_timeout, "Instead of `limits.idle_timeout`."),
      duration("idle_in_transaction_timeout", &Overrides::idle_in_transaction_timeout,
               "Instead of `limits.idle_in_transaction_timeout`.")};
  return section;
}

const Section<Account>& account_section() {
  static const Section<Account> section{
      text_field("user", &Account::user, kRestart, "Role to log in as.").must(),
      secret_field("password", &Account::password, kRestart, "Its password.").must()};
  return section;
}

const Section<Shard>& shard_section() {
  const auto read_server = [](Server& server, Reader& reader, const Entry& entry) {
    const auto text = reader.take_text(entry);
    if (!text) return;
    if (const auto parsed = parse_server(*text)) {
      server = *parsed;
      check_server_tls(server.tls, reader, entry);
    } else {
      reader.fault(entry.line, entry.path + ": " + parsed.error().message);
    }
  };
  static const Section<Shard> section{
      short_name_field("name", &Shard::name, kRestart,
                       "The shard's name, in reports and transaction ids; never reused for other data.")
          .must(),
      nested_field<Shard>("primary", "server",
                          "`\"host=... port=... dbname=...\"`, also `hostaddr`; a host that begins with `/` "
                          "is a socket folder. Encryption as in libpq: `sslmode` (disable, prefer, require, verify-ca, "
                          "verify-full; disable when not given), `sslrootcert`, `sslcert`, `sslkey`, `channel_binding`.",
                          [read_server](Shard& shard, Reader& reader, const Entry& entry) {
                            read_server(shard.primary, reader, entry);
                          })
          .must(),
      nested_field<Shard>("replicas", "list of servers", "Streaming replicas of the primary.",
                          [read_server](Shard& shard, Reader& reader, const Entry& entry) {
                            const auto items = reader.take_list(entry);
                            if (!items) return;
                            for (const auto& item : *items)
                              read_server(shard.replicas.emplace_back(), reader, item);
                          })};
  return section;
}

const Section<Sharding>& sharding_section() {
  static const Section<Sharding> section{
      integer_field("buckets", static_cast<std::uint32_t Sharding::*>(&sharding::Rules::buckets), 16, 65536,
                    kRestart,
                    "Into how many buckets keys hash: a power of two, fixed when the cluster is created."),
      choice_field("hash", static_cast<sharding::HashKind Sharding::*>(&sharding::Rules::hash),
                   Choices<sharding::HashKind>{{"postgres", sharding::HashKind::kPostgres},
                                               {"xxh64", sharding::HashKind::kXxh64}},
                   kRestart,
                   "`postgres` is PostgreSQL's own, which servers can compute too; `xxh64` is for data "
                   "placed by it elsewhere. Fixed when the cluster is created."),
      nested_field<Sharding>(
          "tables", "map",
          "One rule per table: `name: { hash: column }`, `{ reference: true }` or `{ local: shard }`.",
          read_tables),
      nested_field<Sharding>(
          "functions", "map",
          "Functions that statements over several shards may call: `name: { shard_local: true }`.",
          read_functions)};
  return section;
}

}  // namespace howdah::config
