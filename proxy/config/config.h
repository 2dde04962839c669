// The running configuration: one immutable value, built by load() and published to all threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "proxy/access/hba.h"
#include "proxy/access/ident_map.h"
#include "proxy/access/ip_address.h"
#include "sharding/rules.h"

namespace howdah::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class PoolMode : std::uint8_t { kTransaction, kSession };
enum class TlsMode : std::uint8_t { kDisable, kAllow, kPrefer, kRequire };
enum class TlsVersion : std::uint8_t { k12, k13 };

struct Tls {
  TlsMode mode = TlsMode::kDisable;
  std::string cert;   // path, PEM; relative paths are relative to the configuration file
  std::string key;
  std::string client_ca;   // path; empty: clients are not asked for certificates
  TlsVersion min_version = TlsVersion::k12;
};

// A socket in the file system, next to TCP; there is no TLS on it.
struct UnixSocket {
  std::string directory;   // absolute; empty: none. The socket is DIRECTORY/.s.PGSQL.PORT
  std::uint32_t mode = 0777;
  std::string group;       // of the socket; empty: the process's
};

struct Listen {
  std::string address = "127.0.0.1";
  std::uint16_t port = 6432;
  int backlog = 4096;
  Tls tls;
  UnixSocket unix_socket;
};

struct Http {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9432;   // 0 turns the endpoint off
  bool enabled = true;
};

// Who may connect how. Without a file everyone who is known may, with a password.
struct Hba {
  std::string file;                     // in pg_hba.conf's format
  std::string ident_file;               // in pg_ident.conf's format
  std::string mock_secret;              // of unknown users' salts; empty: made up at each start
  std::vector<access::HbaRule> rules;   // of `file`
  std::vector<access::IdentEntry> names;  // of `ident_file`
  bool needs_interfaces = false;        // a rule says samehost or samenet
};

// What may be set for one user or one database. The user's value counts before the database's, and that before the file's.
struct Overrides {
  std::optional<std::uint32_t> pool_size, min_pool_size, reserve_pool_size;
  std::optional<std::uint32_t> clients, server_connections;
  std::optional<milliseconds> wait_timeout, query_timeout, transaction_timeout, idle_timeout, idle_in_transaction_timeout;
};

// Where reads proven read-only go: to the primary; to a replica, else the primary; to replicas only.
enum class ReplicaReads : std::uint8_t { kOff, kOn, kOnly };

struct User {
  std::string name;
  std::string password;                 // plain, "md5..." or a SCRAM-SHA-256 verifier; empty: no password fits
  std::string server_password;          // plain password toward servers; empty: what the client's login gives
  std::string valid_until;              // as PostgreSQL's VALID UNTIL; passwords do not count after it
  std::int64_t expires = INT64_MAX;     // the same in seconds since 1970
  bool admin = false;                   // may use the admin console
  bool replication = false;             // may open replication connections
  bool stats = false;                   // may use its SHOW commands only
  std::optional<std::uint32_t> pool_size;
  std::optional<ReplicaReads> replica_reads;  // else the database's
  Overrides limits;
};

// What becomes of state that cannot follow a client to another server connection: temporary tables, locks, ...
enum class SessionState : std::uint8_t { kPin, kRefuse };

struct Pool {
  PoolMode mode = PoolMode::kTransaction;
  std::uint32_t size = 20;              // server connections per (database, user, server), over all workers
  std::uint32_t min_size = 0;           // ... kept open once a client has come
  std::uint32_t reserve_size = 0;       // ... more of them once a client has waited for reserve_timeout
  milliseconds reserve_timeout{5'000};
  milliseconds wait_notice{5'000};      // a waiting client is told after this; 0: never
  milliseconds wait_timeout{30'000};    // how long a client waits for a server connection, then 53300... 0: no limit
  milliseconds queue_time{0};           // a queue that would take longer is overload, and is cut short; 0: never
  milliseconds connect_timeout{5'000};  // TCP connect and login to a server
  seconds idle_timeout{600};            // an idle server connection is closed after this; 0: never
  seconds lifetime{3'600};              // a server connection is not reused after this; 0: no limit
  SessionState session_state = SessionState::kPin;
  std::uint32_t prepared_statements = 500;  // per server connection; 0: named statements are refused in transaction mode
};

struct Limits {
  std::uint32_t clients = 12'000;           // connected clients; the console is exempt
  std::uint32_t clients_per_user = 0;       // 0: no limit of its own
  std::uint32_t clients_per_database = 0;
  std::uint32_t server_connections = 0;     // to one server, over all databases and users; 0: no limit
  std::uint32_t server_connections_per_database = 0;  // to one server
  std::uint32_t server_connections_per_user = 0;      // to one server
  seconds login_timeout{60};
  milliseconds idle_timeout{0};                  // of a client outside a transaction; 0: never
  milliseconds idle_in_transaction_timeout{0};   // 0: never
  milliseconds transaction_timeout{0};           // 0: never
  milliseconds query_timeout{0};                 // 0: never
  std::uint32_t statements = 10'000;        // prepared statements of one client
  std::uint32_t gather_bytes = 64u << 20;   // rows that one query over several shards may gather for its last step
  std::uint32_t message_bytes = 0x3fffffff; // largest message accepted from a client, PostgreSQL's own bound
  std::uint32_t retry_percentage = 20;      // of the last second's statements that the proxy may repeat by itself
  std::uint32_t retry_minimum = 10;         // ... and so many more per second
};

// Which statements a rate limit counts together.
enum class LimitPer : std::uint8_t { kAll, kUser, kDatabase, kAddress, kClient, kFingerprint };

// At most `max` statements in each `window`, of those that fit.
struct RateLimit {
  std::string name;                     // in errors, SHOW LIMITS and metrics; made up where the file gives none
  std::string user, database;           // empty: any
  std::string address;                  // "10.0.0.0/8", "::1" or "unix"; empty: any
  std::optional<access::IpAddress> range;  // of `address`, but for "unix"
  access::IpAddress mask;
  std::uint64_t fingerprint = 0;        // 0: any
  milliseconds window{1'000};
  std::uint32_t max = 0;
  std::uint32_t burst = 0;              // of them at once; 0: all
  LimitPer per = LimitPer::kAll;
  bool operator==(const RateLimit&) const = default;
};

// A statement that nobody may run.
struct Block {
  std::uint64_t fingerprint = 0;
  std::string reason;
  bool operator==(const Block&) const = default;
};

// When a server is left alone for a while.
struct Breaker {
  milliseconds window{10'000};
  std::uint32_t error_threshold_percentage = 0;  // of what happened in the window; 0: no breaker
  std::uint32_t minimum = 20;           // fewer failures in the window than this prove nothing
  milliseconds timeout{0};              // an answer that takes longer is a failure; 0: however long it takes
  milliseconds reset_timeout{5'000};    // from opening until a first probe
  bool operator==(const Breaker&) const = default;
};

struct Account {
  std::string user;
  std::string password;
};

// Users that the file does not name are looked up on the database's first primary.
struct AuthQuery {
  std::string user;                     // empty: no look-up
  std::string password;
  std::string dbname;                   // empty: the primary's own
  std::string query = kDefault;         // $1 is the user; answers name, secret and, if it likes, expiry in seconds since 1970
  seconds cache{60};                    // how long an answer counts
  milliseconds timeout{5'000};          // of one look-up, connecting included
  bool operator==(const AuthQuery&) const = default;

  static constexpr const char* kDefault =
      "SELECT rolname, rolpassword, pg_catalog.date_part('epoch', rolvaliduntil) FROM pg_catalog.pg_authid "
      "WHERE rolname = $1 AND rolcanlogin";
};

// As libpq's sslmode. https://www.postgresql.org/docs/15/libpq-ssl.html
enum class SslMode : std::uint8_t { kDisable, kPrefer, kRequire, kVerifyCa, kVerifyFull };

// Encryption toward a server: the ssl* keywords of its connection string.
struct ServerTls {
  SslMode mode = SslMode::kDisable;
  std::string root_cert;                // path
  std::string cert;                     // path of the proxy's own certificate
  std::string key;
  bool require_binding = false;         // channel_binding=require
  bool operator==(const ServerTls&) const = default;
};

// A server as "host=... port=..." (also hostaddr, dbname and ssl*; a host beginning with '/' is a unix socket directory).
struct Server {
  std::string host = "127.0.0.1";       // where to connect
  std::string name;                     // what its certificate must say when `host` is only its address; else empty
  std::uint16_t port = 5432;
  std::string dbname;                   // empty: the database's name
  ServerTls tls;
  std::uint32_t weight = 1;             // of a replica, among those of its shard; 0: only when there is no other
  std::string zone;                     // where it stands; empty: not told
  std::string patroni;                  // "http://host:port" of its Patroni; empty: none
  ServerId id;                          // position in Database::servers()
  bool operator==(const Server&) const = default;
};

struct Shard {
  std::string name;
  Server primary;
  std::vector<Server> replicas;
};

// Which replica answers a read, of those that may.
enum class Balance : std::uint8_t { kLeastOutstanding, kWeighted, kRoundRobin, kFastest };

struct Database {
  std::string name;
  Account control;                      // empty user: no probes, no catalog; every statement goes to the primary
  AuthQuery auth_query;
  std::vector<Shard> shards;            // at least one
  sharding::Rules rules;                // rules.shards == shards.size()
  Overrides limits;
  ReplicaReads replica_reads = ReplicaReads::kOn;
  bool primary_reads = true;            // false: with all replicas of a shard down, its primary does not do their work
  Balance balance = Balance::kLeastOutstanding;
  milliseconds slow_start{30'000};      // until a replica that came back has its whole share; 0: at once
  milliseconds max_lag{60'000};         // of a replica that may be read; 0: any
  std::int64_t max_lag_bytes = 0;       // 0: any
  milliseconds probe_interval{50};      // LSN samples of primaries and replicas
  Breaker breaker;
  milliseconds failover_wait{10'000};   // how long statements wait for a primary that is gone; 0: they fail at once
  milliseconds switchover_timeout{10'000};  // how long a switchover waits for transactions to end, then for the new primary
  milliseconds catalog_interval{5'000}; // check for schema changes made behind Howdah's back
  std::size_t server_count() const {
    std::size_t count = 0;
    for (const auto& shard : shards) count += 1 + shard.replicas.size();
    return count;
  }
};

struct Restart {
  std::string socket;                   // where a new process asks to take over; empty: nowhere
  std::string pid_file;                 // empty: none
  seconds drain_timeout{3'600};         // how long the old process serves those that cannot move; 0: no limit
};

struct Logging {
  std::string level = "info";           // trace, debug, info, warn, error, off
  std::string file;                     // empty: standard error
};

struct Config {
  std::string path;                     // of the file, for messages
  std::string cluster = "howdah";       // name in transaction ids and stamps
  std::uint16_t workers = 0;            // threads; 0: one per core
  std::string zone;                     // where the proxy stands; empty: nowhere in particular
  Listen listen;
  Hba hba;
  Http http;
  Pool pool;
  Limits limits;
  Restart restart;
  Logging logging;
  std::vector<RateLimit> rate_limits;
  std::vector<Block> blocks;
  std::vector<User> users;
  std::string users_file;               // in the format of PgBouncer's auth_file
  std::map<std::string, Database, std::less<>> databases;

  const User* user(std::string_view name) const {
    for (const auto& candidate : users) {
      if (candidate.name == name) return &candidate;
    }
    return nullptr;
  }
};
using ConfigPtr = std::shared_ptr<const Config>;

// One fault of a file. Lines count from 1; 0 when the fault has no line (a file that cannot be opened).
struct Fault {
  std::string file;
  int line = 0;
  std::string message;
  std::string to_string() const;        // "file:line: message"
  bool operator==(const Fault&) const = default;
};

struct Loaded {
  ConfigPtr config;                     // null when there are faults
  std::vector<Fault> faults;            // all of them, in file order
  std::vector<Fault> warnings;          // legal, but worth a word in the log; in file order
};

// Reads, substitutes, validates. Never throws.
Loaded load_file(const std::string& path);
// As load_file with the text given; `path` is for messages and for relative paths.
Loaded load_text(const std::string& text, const std::string& path);

}  // namespace howdah::config
