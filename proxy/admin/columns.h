// The columns of every SHOW. Those that PgBouncer has come first, with its names, order and types, so that its
// exporters and dashboards work; ours follow. https://www.pgbouncer.org/usage.html (1.18)
#pragma once

#include "proxy/admin/table.h"

namespace howdah::admin {

inline constexpr auto kText = ColumnType::kText;
inline constexpr auto kInt4 = ColumnType::kInt4;
inline constexpr auto kInt8 = ColumnType::kInt8;
inline constexpr auto kNumeric = ColumnType::kNumeric;

inline constexpr Column kClientColumns[] = {
    {"type"}, {"user"}, {"database"}, {"state"}, {"addr"}, {"port", kInt4}, {"local_addr"}, {"local_port", kInt4},
    {"connect_time"}, {"request_time"}, {"wait", kInt4}, {"wait_us", kInt4}, {"close_needed", kInt4}, {"ptr"}, {"link"},
    {"remote_pid", kInt4}, {"tls"}, {"application_name"},
    {"prepared_statements", kInt4}, {"id", kInt4}, {"activity"}, {"pid", kInt4}, {"links"}, {"pinned"}};

inline constexpr Column kServerColumns[] = {
    {"type"}, {"user"}, {"database"}, {"state"}, {"addr"}, {"port", kInt4}, {"local_addr"}, {"local_port", kInt4},
    {"connect_time"}, {"request_time"}, {"wait", kInt4}, {"wait_us", kInt4}, {"close_needed", kInt4}, {"ptr"}, {"link"},
    {"remote_pid", kInt4}, {"tls"}, {"application_name"},
    {"prepared_statements", kInt4}, {"id", kInt8}, {"shard"}, {"role"}};

inline constexpr Column kSocketColumns[] = {
    {"type"}, {"user"}, {"database"}, {"state"}, {"addr"}, {"port", kInt4}, {"local_addr"}, {"local_port", kInt4},
    {"connect_time"}, {"request_time"}, {"wait", kInt4}, {"wait_us", kInt4}, {"close_needed", kInt4}, {"ptr"}, {"link"},
    {"remote_pid", kInt4}, {"tls"}, {"application_name"}, {"recv_pos", kInt4}, {"pkt_pos", kInt4}, {"pkt_remain", kInt4},
    {"send_pos", kInt4}, {"send_remain", kInt4}, {"pkt_avail", kInt4}, {"send_avail", kInt4}};

inline constexpr Column kMemColumns[] = {{"name"}, {"size", kInt4}, {"used", kInt4}, {"free", kInt4}, {"memtotal", kInt4}};
inline constexpr Column kStateColumns[] = {{"key"}, {"value"}};
inline constexpr Column kDnsHostColumns[] = {{"hostname"}, {"ttl", kInt8}, {"addrs"}};
inline constexpr Column kDnsZoneColumns[] = {{"zonename"}, {"serial", kInt8}, {"count", kInt4}};
inline constexpr Column kPeerColumns[] = {{"peer_id", kInt4}, {"host"}, {"port", kInt4}, {"pool_size", kInt4}};
inline constexpr Column kPeerPoolColumns[] = {{"peer_id", kInt4}, {"cl_active_cancel_req", kInt4},
    {"cl_waiting_cancel_req", kInt4}, {"sv_active_cancel", kInt4}, {"sv_login", kInt4}};

inline constexpr Column kPoolColumns[] = {
    {"database"}, {"user"}, {"cl_active", kInt4}, {"cl_waiting", kInt4}, {"cl_active_cancel_req", kInt4},
    {"cl_waiting_cancel_req", kInt4}, {"sv_active", kInt4}, {"sv_active_cancel", kInt4}, {"sv_being_canceled", kInt4},
    {"sv_idle", kInt4}, {"sv_used", kInt4}, {"sv_tested", kInt4}, {"sv_login", kInt4}, {"maxwait", kInt4},
    {"maxwait_us", kInt4}, {"pool_mode"}};

// PgBouncer's pool spans one server; these are the parts of a pool, one per server of the database.
inline constexpr Column kServerPoolColumns[] = {
    {"database"}, {"user"}, {"shard"}, {"server"}, {"role"}, {"size", kInt4}, {"active", kInt4}, {"idle", kInt4},
    {"login", kInt4}, {"waiting", kInt4}, {"transactions", kInt8}, {"statements", kInt8}, {"connects", kInt8},
    {"connect_failures", kInt8}};

inline constexpr Column kStatsColumns[] = {
    {"database"}, {"total_xact_count", kNumeric}, {"total_query_count", kNumeric}, {"total_received", kNumeric},
    {"total_sent", kNumeric}, {"total_xact_time", kNumeric}, {"total_query_time", kNumeric},
    {"total_wait_time", kNumeric}, {"avg_xact_count", kNumeric}, {"avg_query_count", kNumeric}, {"avg_recv", kNumeric},
    {"avg_sent", kNumeric}, {"avg_xact_time", kNumeric}, {"avg_query_time", kNumeric}, {"avg_wait_time", kNumeric}};

// STATS_TOTALS and STATS_AVERAGES.
inline constexpr Column kStatsPartColumns[] = {
    {"database"}, {"xact_count", kNumeric}, {"query_count", kNumeric}, {"bytes_received", kNumeric},
    {"bytes_sent", kNumeric}, {"xact_time", kNumeric}, {"query_time", kNumeric}, {"wait_time", kNumeric}};

inline constexpr Column kTotalsColumns[] = {{"name"}, {"value", kNumeric}};

inline constexpr Column kDatabaseColumns[] = {
    {"name"}, {"host"}, {"port", kInt4}, {"database"}, {"force_user"}, {"pool_size", kInt4}, {"min_pool_size", kInt4},
    {"reserve_pool", kInt4}, {"pool_mode"}, {"max_connections", kInt4}, {"current_connections", kInt4},
    {"paused", kInt4}, {"disabled", kInt4},
    {"shards", kInt4}, {"replicas", kInt4}};

inline constexpr Column kUserColumns[] = {{"name"}, {"pool_mode"}, {"pool_size", kInt4}, {"admin"}, {"stats"},
    {"current_connections", kInt4}, {"current_client_connections", kInt4}};

inline constexpr Column kConfigColumns[] = {{"key"}, {"value"}, {"default"}, {"changeable"}};

inline constexpr Column kListColumns[] = {{"list"}, {"items", kInt4}};

inline constexpr Column kVersionColumns[] = {{"version"}};

inline constexpr Column kShardColumns[] = {
    {"database"}, {"shard"}, {"buckets", kInt4}, {"epoch", kInt8}, {"primary"}, {"primary_state"}, {"replicas"},
    {"replica_states"}, {"lag_bytes"}};

inline constexpr Column kHealthColumns[] = {
    {"database"}, {"shard"}, {"server"}, {"role"}, {"state"}, {"up"}, {"in_recovery"}, {"lsn"}, {"lag_bytes", kInt8},
    {"timeline", kInt8}, {"seen_ms_ago", kInt8}};

inline constexpr Column kReplicaColumns[] = {
    {"database"}, {"shard"}, {"server"}, {"role"}, {"state"}, {"reason"}, {"timeline", kInt8}, {"lsn"}, {"lag_bytes", kInt8}, {"lag_ms", kInt8},
    {"since_ms", kInt8}};

inline constexpr Column kSwitchoverColumns[] = {{"step"}, {"detail"}, {"ms", kInt8}};

inline constexpr Column kTransactionColumns[] = {
    {"database"}, {"shard"}, {"gid"}, {"commit_point"}, {"owner"}, {"age_ms", kInt8}, {"decision"}, {"participants"}, {"error"}};

inline constexpr Column kDriftColumns[] = {
    {"database"}, {"shard"}, {"kind"}, {"object"}, {"first_shard"}, {"first_shard_has"}, {"shard_has"}, {"error"}};

inline constexpr Column kLimitColumns[] = {
    {"name"}, {"user"}, {"database"}, {"address"}, {"fingerprint"}, {"window_ms", kInt8}, {"max", kInt4}, {"burst", kInt4}, {"per"},
    {"state"}, {"counts", kInt8}, {"allowed", kInt8}, {"refused", kInt8}};

inline constexpr Column kBlockColumns[] = {{"fingerprint"}, {"reason"}, {"source"}, {"ends_in_ms", kInt8}, {"refused", kInt8}};

inline constexpr Column kBreakerColumns[] = {
    {"database"}, {"shard"}, {"server"}, {"role"}, {"state"}, {"succeeded", kInt8}, {"failed", kInt8}, {"probe_in_ms", kInt8},
    {"opened", kInt8}, {"refused", kInt8}};

inline constexpr Column kStatementColumns[] = {{"fingerprint"}, {"runs", kInt8}, {"blocked"}, {"statement"}};

inline constexpr Column kHelpColumns[] = {{"command"}, {"shows_or_does"}};

}  // namespace howdah::admin
