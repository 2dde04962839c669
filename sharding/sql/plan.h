// What the analyzer knows of a statement: the value that the plan cache keeps and the router executes.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "schema/types.h"
#include "sharding/copy/copy_rows.h"

namespace howdah::sharding::sql {

// What kind of statement it is: decides what the session does with it.
enum class Verb : std::uint8_t {
  kSelect,             // SELECT, VALUES, TABLE, WITH ... SELECT (also with a writing CTE: see `read_only`)
  kInsert, kUpdate, kDelete, kMerge,
  kCopyIn, kCopyOut,   // COPY ... FROM STDIN / TO STDOUT; from or to a server-side file or program is kOther
  kBegin, kCommit, kRollback, kSavepoint, kRelease, kRollbackTo,
  kPrepareTransaction, kCommitPrepared, kRollbackPrepared,
  kSet,                // SET, SET LOCAL, SET ... TO DEFAULT, RESET: see SetCommand
  kSetTransaction,     // SET TRANSACTION ...  (SET SESSION CHARACTERISTICS is kSet)
  kShow,
  kDiscard,
  kPrepare, kExecute, kDeallocate,
  kDeclareCursor, kFetch, kCloseCursor,
  kListen, kUnlisten, kNotify,
  kLock,
  kExplain,
  kCall, kDo,
  kDdl,                // changes the catalog: CREATE, ALTER, DROP, GRANT, COMMENT, ...; TRUNCATE is kTruncate
  kTruncate,
  kMaintenance,        // VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, REFRESH MATERIALIZED VIEW
  kOther,              // everything else
};

// Where a statement has to run to be exact.
enum class Where : std::uint8_t {
  kProxy,     // answered by the proxy alone (BEGIN, SET, SHOW howdah.*, ...)
  kHome,      // no table of ours: the transaction's shard, else the session's home shard
  kAnyShard,  // only reference tables, read: any one shard
  kKeys,      // the shard of its key values: see `pins`
  kShard,     // the fixed shard `shard`
  kManyShards, // a query whose rows are those of several shards together: see `spread`
  kAllShards, // DDL, reference-table writes: every shard, atomically (or one by one: see `no_transaction`)
  kCanonical, // pg_catalog and information_schema: shard 0
  kRefused,   // see `refusal`
};

// How a text becomes a key value: the type that the literal or parameter has in the statement.
enum class ValueType : std::uint8_t {
  kColumn,    // untyped literal or parameter: read by the key column's own input function
  kInteger,   // int2/int4/int8 literal, or cast to one (range checked against `cast`)
  kNumeric,   // numeric literal or cast: matches a key only if integral
  kUuid, kText,
};

// One place in the statement that holds a key value.
struct KeySource {
  enum class Kind : std::uint8_t {
    kSlot,        // literal: slot `index` of the token stream
    kParam,       // $n: parameter `index` from 0
    kSlotList,    // a folded list literal (IN (1,2,3)): slot `index` stands for several literals
    kParamArray,  // = ANY($n): every element of the array parameter `index`
    kSlotArray,   // = ANY('{1,2}'): every element of the array literal in slot `index`
    kNull,        // the constant NULL: matches no row
    kNow,         // reserved
  };
  Kind kind = Kind::kSlot;
  bool negate = false;             // a minus sign stands before the literal
  ValueType type = ValueType::kColumn;
  Oid cast = 0;                    // the type of an explicit cast, else what Parse declared, else 0; of arrays: the element's
  bool needs_type = false;         // an untyped $n used elsewhere, too: only ParameterDescription tells how it is read
  std::uint32_t index = 0;
  bool operator==(const KeySource&) const = default;
};

// "The key of these tables equals one of these values": a conjunct proven for every row that the statement touches.
// The statement runs on one shard when every pin resolves to that same shard.
struct Pin {
  schema::KeyFamily family = schema::KeyFamily::kInteger;
  Oid column_type = 0;             // of the key column: int2, int4, int8, uuid, text, varchar
  bool is_insert = false;          // values to be stored, NULL is then a not-null violation, not "no row"
  bool not_null = false;           // the key column refuses NULL: a NULL to be stored is the server's error on any shard
  std::vector<KeySource> any_of;
  bool operator==(const Pin&) const = default;
};

// What a statement may leave on its server connection that no other connection has. Whether it really did is asked of
// the server. kSetConfig: set_config of a parameter whose name is not known before it runs; kListen: about the channels
// listened to, which are not the connection's own; kUserCode: code of users ran, or a text that was not understood.
enum class PinReason : std::uint8_t {
  kNone, kTemporaryTable, kHoldCursor, kAdvisoryLock, kLoad, kSetConfig, kListen, kUserCode,
};

// A parameter that the statement may set by other means than SET: its value is read back afterwards.
struct ConfigCall {
  std::string name;                // lower case; empty: the value of parameter $n, see `param`
  std::uint32_t param = 0;         // from 0
  bool local = false;              // until the end of the transaction, for certain
  bool operator==(const ConfigCall&) const = default;
};

struct SetCommand {
  enum class Kind : std::uint8_t { kSet, kDefault, kReset, kResetAll, kRole, kSessionAuthorization, kTimeZone, kCharacteristics };
  Kind kind = Kind::kSet;
  bool local = false;
  std::string name;                // lower case
  std::string value;               // as SHOW would be given it back for simple values: literal text; list items joined ", "
  bool operator==(const SetCommand&) const = default;
};

struct TransactionOptions {
  enum class Isolation : std::uint8_t { kDefault, kReadUncommitted, kReadCommitted, kRepeatableRead, kSerializable };
  Isolation isolation = Isolation::kDefault;
  std::optional<bool> read_only;
  std::optional<bool> deferrable;
  bool chain = false;              // COMMIT/ROLLBACK AND CHAIN
  bool operator==(const TransactionOptions&) const = default;
};

// One item of ORDER BY, for the merge of many shards' rows.
struct SortKey {
  std::uint16_t column = 0;        // of the result, from 0; of a hidden one: the how many-th hidden column
  bool hidden = false;             // not selected: added to each shard's select list, taken off again by the proxy
  std::uint16_t item = 0;          // hidden: which item of ORDER BY, from 0
  bool descending = false;
  bool nulls_first = false;
  bool operator==(const SortKey&) const = default;
};

inline constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::min();

// LIMIT or OFFSET, as this execution's values give it.
struct RowCount {
  enum class Kind : std::uint8_t { kNone, kSlot, kParam };
  Kind kind = Kind::kNone;
  std::uint32_t index = 0;         // slot, or parameter from 0
  bool operator==(const RowCount&) const = default;
};

// Proof that a query's result is the rows of all shards together, and what is left to do with them. For every value v of
// the anchor table's key: the query restricted to v reads rows of v's shard only, and each row of the result belongs to one v.
struct Spread {
  std::vector<Pin> pins;           // restrict the anchor's key: only their shards are asked; empty: all are
  std::vector<SortKey> sort;
  RowCount limit, offset;
  bool bytewise_collation = false; // all text in it is ordered by its bytes
  bool gathers = false;            // its last step needs all rows together: `sort` and the counts are left to gather_forms()
  bool assembles = false;          // gathers, and each table's rows come by themselves: see assemble.h
  std::optional<ShardId> last_step;  // assembles: where it is done, as local tables are read there
  bool operator==(const Spread&) const = default;
};

// An INSERT leaves its keys to the column's default, which one shard evaluates before anything is stored.
struct KeyDefault {
  std::string column;              // quoted
  std::string expression;          // with qualified names
  std::int32_t position = -1;      // where DEFAULT stands in each row; -1: the column is to be added
  bool overriding = false;         // the values need OVERRIDING SYSTEM VALUE
  std::uint32_t rows = 0;
  bool operator==(const KeyDefault&) const = default;
};

// UPDATE of the sharding key: rows whose new key belongs elsewhere are deleted where they are and inserted where they belong.
struct KeyMove {
  // An assignment of SET, in the order of the text.
  struct Item {
    std::uint32_t column = 0;      // of `columns`
    bool constant = false;         // a constant or a parameter; else an expression over the old row
    bool operator==(const Item&) const = default;
  };
  std::vector<std::string> columns;  // quoted; all but the generated ones
  std::vector<Item> items;
  std::uint32_t key = 0;           // of `columns`
  Pin stored;                      // the new key; without values: an expression over the old row
  bool operator==(const KeyMove&) const = default;
};

// Proof that a write does to the rows of all shards together what it would do to them on one: each shard does its part, in one
// transaction. For every value v of the written table's key, the statement restricted to v reads and writes v's shard only.
struct ManyWrite {
  std::vector<Pin> pins;           // restrict the written table's key: only their shards take part; empty: all do
  bool by_rows = false;            // INSERT ... VALUES: each shard gets its rows; pins[0] has the key of each row, in order
  // Where a text such as 'now' would be read as the time of each shard: by_rows knows the places, else any text may be one.
  bool any_text = true;
  std::vector<std::uint32_t> clock_slots, clock_params;
  std::optional<KeyDefault> key_default;  // by_rows: pins[0] has no values then
  std::optional<KeyMove> move;     // UPDATE of the key
  bool operator==(const ManyWrite&) const = default;
};

// One reading of the clock in a statement's text, which over several shards is replaced by a constant: see clock_text.h.
struct ClockCall {
  enum class Kind : std::uint8_t {
    kNow, kTransactionTimestamp, kStatementTimestamp, kCurrentDate, kCurrentTime, kCurrentTimestamp, kLocalTime, kLocalTimestamp,
  };
  Kind kind = Kind::kNow;
  bool names_column = false;       // an output column may be named after it
  bool operator==(const ClockCall&) const = default;
};

// COPY over several shards: rows go to the shards of their keys, or to all; or come from each shard.
struct ManyCopy {
  bool in = false;                 // FROM STDIN
  bool reference = false;          // every shard gets every row
  CopyFormat format;
  Pin key;                         // FROM into a hash table: without values
  bool operator==(const ManyCopy&) const = default;
};

// The key column of a hash table.
struct KeyColumn {
  schema::KeyFamily family = schema::KeyFamily::kInteger;
  Oid type = 0;
  bool operator==(const KeyColumn&) const = default;
};

// What EXPLAIN answers with. kOther: XML or YAML.
enum class ExplainFormat : std::uint8_t { kText, kJson, kOther };

// StatementPlan::end of a statement that is the whole string.
inline constexpr std::uint32_t kWholeText = 0xffffffff;

// One statement of a string.
struct StatementPlan {
  Verb verb = Verb::kOther;
  Where where = Where::kRefused;
  bool read_only = false;          // proven: may run on a replica with the same answer
  bool writes = true;              // not proven free of writes and of locks that outlive it: its shard counts as a writer
  bool no_transaction = false;     // PostgreSQL refuses it inside a transaction block (VACUUM, CREATE DATABASE, ... CONCURRENTLY)
  bool changes_catalog = false;    // the catalog snapshot has to be refreshed after it
  bool splits_sequences = false;   // kAllShards: may make sequences, or change them; each shard's are to give values of their own
  bool notifies = false;           // NOTIFY or pg_notify, temporary table use, WITH HOLD: not allowed in a prepared transaction
  bool returns_rows = false;       // SELECT, RETURNING, SHOW, EXPLAIN, FETCH, ...
  PinReason pin = PinReason::kNone;
  bool unlocks = false;            // may release an advisory lock of the session
  bool drops_at_commit = false;    // kTemporaryTable: gone when the transaction ends
  std::vector<ConfigCall> configs; // set_config, SET ... FROM CURRENT
  ShardId shard;                   // Where::kShard
  std::vector<Pin> pins;           // Where::kKeys; all hold (conjunction)
  std::shared_ptr<const Spread> spread;  // kManyShards; kKeys: when the values name several shards. Null: not proven
  std::string one_shard_because;   // kKeys without `spread` and `many_write`: why several shards cannot answer it
  std::string stand_in;            // kAllShards: what the shards are sent instead of the client's text
  std::shared_ptr<const ManyWrite> many_write;  // as `spread`, of a writing statement
  std::shared_ptr<const ManyCopy> many_copy;    // kManyShards, kKeys: COPY; `spread` is of the query that it copies
  std::vector<ClockCall> clock;    // kManyShards, kAllShards, kKeys over several: in the order of the text
  std::optional<Error> refusal;    // Where::kRefused; kAllShards: unless the client takes unique keys that hold on each shard only
  bool reference_write = false;    // kAllShards because of a reference table: lock order and one-time evaluation apply
  bool clock_text = false;         // reference_write: a text such as 'now' would be read as the time of each shard
  std::vector<std::string> lock_tables;  // reference_write: quoted, schema-qualified names to LOCK first
  SetCommand set;                  // kSet
  std::string name;                // savepoint, cursor, prepared statement, channel, SHOW parameter (lower case there)
  TransactionOptions transaction;  // kBegin, kCommit, kRollback, kSetTransaction
  // Byte range of this statement in the string: from its first token on, without the semicolon. A string of one SELECT,
  // INSERT, UPDATE, DELETE or MERGE, whose plan other texts share, has the range [0, kWholeText): substr takes it as it is.
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  // kPrepare: byte range of the inner statement; kExplain: of the explained one.
  std::uint32_t inner_begin = 0;
  std::uint32_t inner_end = 0;
  std::shared_ptr<const StatementPlan> explained;  // EXPLAIN (HOWDAH): the statement that is not run
  ExplainFormat explain_format = ExplainFormat::kText;
  bool changes_rows = false;       // a query: INSERT, UPDATE, DELETE or MERGE, on whatever level
  std::vector<KeyColumn> keys;     // of the hash tables that were found in it, each once
  // fingerprint_of() its text, made when first asked for; 0: not yet. The owner's thread only.
  mutable std::uint64_t fingerprint = 0;
};

// A whole string: the unit that is cached. Immutable; shared by sessions of one worker.
struct Plan {
  std::vector<StatementPlan> statements;  // empty: only white space, comments, semicolons
  std::uint16_t params = 0;               // highest $n
  bool exact_text = false;                // holds byte ranges: only valid for the very text it was made from
  mutable std::uint64_t runs = 0;         // how often it was run. The owner's thread only
};
using PlanPtr = std::shared_ptr<const Plan>;

}  // namespace howdah::sharding::sql
