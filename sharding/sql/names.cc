#include "sharding/sql/names.h"

#include <algorithm>
#include <array>

#include "schema/types.h"

namespace howdah::sharding::sql {

namespace {

using std::string_view;

template <std::size_t N>
bool listed(const std::array<string_view, N>& list, string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Stable or volatile functions about the server, the backend or its transaction.
// Sources: https://www.postgresql.org/docs/15/functions-info.html and functions-admin.html
constexpr std::array kServer = {
    string_view("inet_server_addr"),
    string_view("inet_server_port"),
    string_view("inet_client_addr"),
    string_view("inet_client_port"),
    string_view("pg_backend_pid"),
    string_view("pg_blocking_pids"),
    string_view("pg_conf_load_time"),
    string_view("pg_current_logfile"),
    string_view("pg_current_snapshot"),
    string_view("pg_current_wal_flush_lsn"),
    string_view("pg_current_wal_insert_lsn"),
    string_view("pg_current_wal_lsn"),
    string_view("pg_current_xact_id"),
    string_view("pg_current_xact_id_if_assigned"),
    string_view("pg_export_snapshot"),
    string_view("pg_get_wal_replay_pause_state"),
    string_view("pg_is_in_recovery"),
    string_view("pg_is_wal_replay_paused"),
    string_view("pg_jit_available"),
    string_view("pg_last_committed_xact"),
    string_view("pg_last_wal_receive_lsn"),
    string_view("pg_last_wal_replay_lsn"),
    string_view("pg_last_xact_replay_timestamp"),
    string_view("pg_listening_channels"),
    string_view("pg_my_temp_schema"),
    string_view("pg_is_other_temp_schema"),
    string_view("pg_postmaster_start_time"),
    string_view("pg_safe_snapshot_blocking_pids"),
    string_view("pg_xact_commit_timestamp"),
    string_view("pg_xact_status"),
    string_view("txid_current"),
    string_view("txid_current_if_assigned"),
    string_view("txid_current_snapshot"),
    string_view("txid_status"),
    string_view("current_setting"),
    string_view("pg_show_all_settings"),
    string_view("pg_cursor"),
    string_view("pg_prepared_statement"),
    string_view("pg_prepared_xact"),
    string_view("pg_lock_status"),
    string_view("pg_timezone_names"),
    string_view("pg_control_system"),
    string_view("pg_control_checkpoint"),
    string_view("pg_control_recovery"),
    string_view("pg_control_init"),
    string_view("pg_stat_file"),
    string_view("pg_ls_dir"),
    string_view("pg_ls_waldir"),
    string_view("pg_ls_logdir"),
    string_view("pg_read_file"),
    string_view("pg_read_binary_file"),
    string_view("pg_available_extensions"),
    string_view("pg_available_extension_versions"),
    string_view("pg_hba_file_rules"),
    string_view("pg_get_replication_slots"),
    string_view("pg_get_backend_memory_contexts"),
};

// Volatile, but nothing remains when the statement ends.
constexpr std::array kHarmless = {
    string_view("random"),
    string_view("setseed"),
    string_view("clock_timestamp"),
    string_view("timeofday"),
    string_view("statement_timestamp"),
    string_view("gen_random_uuid"),
    string_view("pg_sleep"),
    string_view("pg_sleep_for"),
    string_view("pg_sleep_until"),
};

constexpr std::array kSessionLocks = {
    string_view("pg_advisory_lock"),       string_view("pg_advisory_lock_shared"),
    string_view("pg_try_advisory_lock"),   string_view("pg_try_advisory_lock_shared"),
};

constexpr std::array kSessionUnlocks = {
    string_view("pg_advisory_unlock"),     string_view("pg_advisory_unlock_shared"),
    string_view("pg_advisory_unlock_all"),
};

constexpr std::array kLocks = {
    string_view("pg_advisory_xact_lock"),
    string_view("pg_advisory_xact_lock_shared"),
    string_view("pg_try_advisory_xact_lock"),
    string_view("pg_try_advisory_xact_lock_shared"),
};

constexpr std::array kSequences = {
    string_view("nextval"),
    string_view("setval"),
    string_view("currval"),
    string_view("lastval"),
};

// https://www.postgresql.org/docs/15/functions-xml.html#FUNCTIONS-XML-MAPPING and textsearch-features.html
constexpr std::array kHiddenReads = {
    string_view("query_to_xml"),
    string_view("query_to_xmlschema"),
    string_view("query_to_xml_and_xmlschema"),
    string_view("table_to_xml"),
    string_view("table_to_xmlschema"),
    string_view("table_to_xml_and_xmlschema"),
    string_view("cursor_to_xml"),
    string_view("cursor_to_xmlschema"),
    string_view("schema_to_xml"),
    string_view("schema_to_xmlschema"),
    string_view("schema_to_xml_and_xmlschema"),
    string_view("database_to_xml"),
    string_view("database_to_xmlschema"),
    string_view("database_to_xml_and_xmlschema"),
    string_view("ts_stat"),
    string_view("ts_rewrite"),
};

constexpr std::array kShardContent = {
    string_view("pg_relation_size"),     string_view("pg_total_relation_size"),
    string_view("pg_table_size"),        string_view("pg_indexes_size"),
    string_view("pg_database_size"),     string_view("pg_tablespace_size"),
    string_view("pg_relation_filenode"), string_view("pg_relation_filepath"),
    string_view("pg_filenode_relation"),
};

constexpr std::array kOrderless = {
    string_view("count"),   string_view("min"),   string_view("max"),     string_view("bool_and"),
    string_view("bool_or"), string_view("every"), string_view("bit_and"), string_view("bit_or"),
};

// Stable by their settings (time zone, formats, text search configuration) or by output functions of built-in types. age() is
// not here: with one argument it reads the clock; nor are casts written as functions, which read words such as 'now'.
constexpr std::array kSameOnAllShards = {
    string_view("array_to_json"), string_view("array_to_string"), string_view("array_to_tsvector"),
    string_view("concat"), string_view("concat_ws"), string_view("date_bin"), string_view("date_part"),
    string_view("date_trunc"), string_view("extract"), string_view("format"),
    string_view("generate_series"), string_view("json_agg"), string_view("json_build_array"), string_view("json_build_object"),
    string_view("json_object"), string_view("json_object_agg"), string_view("jsonb_agg"), string_view("jsonb_build_array"), string_view("jsonb_build_object"),
    string_view("jsonb_object"), string_view("jsonb_object_agg"), string_view("length"), string_view("make_timestamptz"), string_view("overlaps"),
    string_view("phraseto_tsquery"), string_view("plainto_tsquery"), string_view("quote_literal"),
    string_view("quote_nullable"), string_view("row_to_json"), string_view("timezone"),
    string_view("to_char"), string_view("to_date"), string_view("to_json"), string_view("to_jsonb"),
    string_view("to_number"), string_view("to_timestamp"), string_view("to_tsquery"),
    string_view("to_tsvector"), string_view("ts_headline"), string_view("websearch_to_tsquery"),
};

// Views over the state of one server or one connection.
constexpr std::array kContentRelations = {
    string_view("pg_locks"),
    string_view("pg_prepared_xacts"),
    string_view("pg_prepared_statements"),
    string_view("pg_cursors"),
    string_view("pg_replication_slots"),
    string_view("pg_replication_origin_status"),
    string_view("pg_stats"),
    string_view("pg_stats_ext"),
    string_view("pg_stats_ext_exprs"),
    string_view("pg_statistic"),
    string_view("pg_shmem_allocations"),
    string_view("pg_backend_memory_contexts"),
    string_view("pg_sequences"),
    string_view("pg_largeobject"),
    string_view("pg_largeobject_metadata"),
    string_view("pg_hba_file_rules"),
    string_view("pg_ident_file_mappings"),
    string_view("pg_subscription_rel"),
};

struct Cast {
  string_view name;
  Oid type;
};
constexpr std::array kKeyCasts = {
    Cast{"int2", schema::kInt2Oid},       Cast{"int4", schema::kInt4Oid}, Cast{"int8", schema::kInt8Oid},
    Cast{"numeric", schema::kNumericOid}, Cast{"uuid", schema::kUuidOid}, Cast{"text", schema::kTextOid},
    Cast{"varchar", schema::kVarcharOid},
};

constexpr std::array kBuiltinTypes = {
    string_view("bool"),
    string_view("int2"),
    string_view("int4"),
    string_view("int8"),
    string_view("float4"),
    string_view("float8"),
    string_view("numeric"),
    string_view("text"),
    string_view("varchar"),
    string_view("bpchar"),
    string_view("char"),
    string_view("name"),
    string_view("bytea"),
    string_view("date"),
    string_view("time"),
    string_view("timetz"),
    string_view("timestamp"),
    string_view("timestamptz"),
    string_view("interval"),
    string_view("uuid"),
    string_view("json"),
    string_view("jsonb"),
    string_view("jsonpath"),
    string_view("xml"),
    string_view("inet"),
    string_view("cidr"),
    string_view("macaddr"),
    string_view("macaddr8"),
    string_view("bit"),
    string_view("varbit"),
    string_view("money"),
    string_view("oid"),
    string_view("tsvector"),
    string_view("tsquery"),
    string_view("point"),
    string_view("line"),
    string_view("lseg"),
    string_view("box"),
    string_view("path"),
    string_view("polygon"),
    string_view("circle"),
    string_view("int4range"),
    string_view("int8range"),
    string_view("numrange"),
    string_view("tsrange"),
    string_view("tstzrange"),
    string_view("daterange"),
    string_view("int4multirange"),
    string_view("int8multirange"),
    string_view("nummultirange"),
    string_view("tsmultirange"),
    string_view("tstzmultirange"),
    string_view("datemultirange"),
    string_view("xid"),
    string_view("xid8"),
    string_view("tid"),
    string_view("cid"),
    string_view("pg_lsn"),
    string_view("int2vector"),
    string_view("oidvector"),
};

// Names in text become OIDs, which differ from shard to shard.
constexpr std::array kRegTypes = {
    string_view("regclass"),      string_view("regcollation"), string_view("regconfig"),
    string_view("regdictionary"), string_view("regnamespace"), string_view("regoper"),
    string_view("regoperator"),   string_view("regproc"),      string_view("regprocedure"),
    string_view("regrole"),       string_view("regtype"),
};

constexpr std::array kClockTypes = {
    string_view("date"),      string_view("time"),        string_view("timetz"),
    string_view("timestamp"), string_view("timestamptz"),
};

}  // namespace

FunctionTrait function_trait(string_view name) {
  if (name == "set_config") return FunctionTrait::kSetConfig;
  if (name == "pg_notify") return FunctionTrait::kNotify;
  if (listed(kSequences, name)) return FunctionTrait::kSequence;
  if (listed(kHarmless, name)) return FunctionTrait::kHarmless;
  if (name.starts_with("pg_")) {
    if (listed(kSessionLocks, name)) return FunctionTrait::kSessionLock;
    if (listed(kSessionUnlocks, name)) return FunctionTrait::kSessionUnlock;
    if (name == "pg_listening_channels") return FunctionTrait::kListening;
    if (listed(kLocks, name)) return FunctionTrait::kLock;
    if (name.starts_with("pg_stat_get_") || listed(kShardContent, name)) return FunctionTrait::kShardContent;
  }
  if (listed(kServer, name)) return FunctionTrait::kServer;
  if (listed(kHiddenReads, name)) return FunctionTrait::kHiddenRead;
  return FunctionTrait::kNone;
}

bool same_on_all_shards(string_view name) {
  return listed(kSameOnAllShards, name);
}

bool is_orderless_aggregate(string_view name) {
  return listed(kOrderless, name);
}

bool is_shard_content_relation(string_view name) {
  return name.starts_with("pg_stat_") || name.starts_with("pg_statio_") || listed(kContentRelations, name);
}

Oid key_cast_type(string_view name) {
  for (const auto& cast : kKeyCasts) {
    if (cast.name == name) return cast.type;
  }
  return 0;
}

bool is_reg_type(string_view name) {
  return name.starts_with("reg") && listed(kRegTypes, name);
}

bool is_builtin_type(string_view name) {
  return listed(kBuiltinTypes, name) || is_reg_type(name);
}

bool is_clock_type(string_view name) {
  return listed(kClockTypes, name);
}

}  // namespace howdah::sharding::sql
