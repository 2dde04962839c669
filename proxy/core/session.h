// One client connection: reads its messages in order, decides where each statement runs, and hands the replies back.
//
// An idle session holds no buffer and no coroutine: it waits in its worker's event loop. When bytes come, serve() runs
// until there is nothing left to do. Owned by its worker; all calls on that worker's thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "drivers/net/buffer.h"
#include "drivers/net/reactor.h"
#include "drivers/net/stream.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/startup.h"
#include "drivers/pgwire/types.h"
#include "proxy/control/transaction_outcome.h"
#include "proxy/core/client_counts.h"
#include "proxy/core/database.h"
#include "proxy/core/deadlines.h"
#include "proxy/core/hints.h"
#include "proxy/core/pool.h"
#include "proxy/core/prepared.h"
#include "proxy/core/settings.h"
#include "proxy/core/task.h"
#include "proxy/core/transaction.h"
#include "sharding/clock_text.h"
#include "sharding/merge/shard_text.h"
#include "sharding/router.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {
class ReplyJoin;
class WriteReply;
}

namespace howdah::proxy {

class AdminProtocol;
class Worker;
struct LoginProof;
struct SessionState;
struct Listening;
struct StateNotes;
struct LockHolder;
struct RateSubject;
struct SessionGuard;

inline constexpr std::uint16_t kNoServer = 0xffff;  // instead of a ServerId's value

struct ClientStatement;
struct Extended;
struct Portal;
struct WritePart;
struct CopyShare;
class ShardPortals;
class CopyShards;
class ManyCursor;

class Session final : public net::IoHandler,
                      public net::Runnable,
                      public net::TimerHandler,
                      public ReplyOwner,
                      public PoolWaiter,
                      public DeadlineOwner {
 public:
  Session(Worker& worker, int fd, std::string peer);
  ~Session();

  void start();
  // A CancelRequest with this session's key came.
  void on_cancel();
  // Ends the session at the next transaction boundary, or at once when idle; `reason` is told as FATAL.
  void drain();
  void kill(const Error& reason);

  // PAUSE came: what has arrived of a pipeline that is being answered is answered to its end.
  void note_pause() { finishing_ = !links_.empty(); }
  bool may_be_shed() const override { return links_.empty(); }
  bool passes_pause() const override { return !links_.empty() || finishing_; }  // a BEGIN alone is nowhere yet

  // session_migrate.cc: to another process, which serves the client from there on (see takeover.h).
  void hand_over();        // when next between transactions; sessions that cannot move stay as they are
  void handed_over();      // the other process has it: ends without a word to the client
  void keep();             // the other process is gone, or did not want it: goes on here
  bool frozen() const { return frozen_; }
  // A new session in a given state; it reads its client from begin_restored() on. False: the configuration does not
  // know its user or database.
  bool restore(SessionState state);
  void begin_restored();

  void on_io(std::uint32_t events) override;
  void run() override;
  void on_timer() override;

  void on_reply(ServerConn& from, Bytes bytes) override;
  void on_fabricated(ServerConn& from, char type) override;
  bool on_server_error(ServerConn& from, const ServerEntry& entry, const pgwire::ErrorFields& fields,
                       std::string& instead) override;
  void on_entry_done(ServerConn& from, const ServerEntry& entry, EntryOutcome outcome) override;
  void on_ready(ServerConn& from, const ServerEntry& entry) override;
  void on_copy_in(ServerConn& from) override;
  void on_lost(ServerConn& from) override;
  void flush_replies(ServerConn& from) override;
  void on_server_writable(ServerConn& from) override;
  void on_cancels_over(ServerConn&) override { wake(); }
  void on_pool(ServerConn* granted, const Error* reason) override;
  void on_statement_timeout() override;
  void on_statement_stuck() override;
  void on_transaction_timeout() override;
  // The limits of this user and database may have changed.
  void apply_limits();

  // session_deadlock.cc
  const std::string& database_name() const;                // REQUIRES: logged in
  bool waits_for_server(SteadyTime since) const;           // ... since then, or longer
  std::optional<LockHolder> lock_holder(const std::string& database) const;
  void end_deadlock(const LockHolder& as);

  // Of a replication client: its one server connection. Null for all others.
  const Pool* replication_pool() const { return replication_.get(); }

  // For SHOW CLIENTS.
  struct Info {
    std::string user, database, peer, state, application_name, pin_reason;
    std::int32_t pid = 0;
    SteadyTime connected, request;
    std::vector<const ServerConn*> links;
    std::size_t prepared = 0;
  };
  Info info() const;
  std::int32_t pid() const { return pid_; }
  // What a CancelRequest must show: 4 bytes, of protocol 3.2 on 32.
  Bytes cancel_key() const { return cancel_key_; }
  const std::string& user_name() const { return user_name_; }
  enum class ClientState : std::uint8_t { kActive, kIdle, kIdleInTransaction, kWaiting };
  ClientState client_state() const {
    return waiting_in != nullptr ? ClientState::kWaiting
           : task_.active()      ? ClientState::kActive
           : tx_.active()        ? ClientState::kIdleInTransaction
                                 : ClientState::kIdle;
  }
  const UserPools* pools() const { return pools_; }  // null: a console session, or not logged in yet
  bool is_admin() const { return is_admin_; }
  bool is_tls() const { return stream_.is_tls(); }
  bool is_unix() const { return peer_ == "unix"; }
  bool logged_in() const { return logged_in_; }
  bool counted() const { return counted_; }

  void wake();
  // A NotificationResponse (or a notice about lost ones) of a channel that it listens to; kept while it is in a transaction.
  void on_notification(const std::string& channel, Bytes message);
  // The listener's answer to what this session asked of it.
  void on_listener(const Error* error);

 private:
  friend class GatherQuery;
  friend class ManyCursor;
  friend class MoveRows;
  friend class ShardPortals;
  friend class SqlPrepare;
  using Plan = sharding::sql::StatementPlan;
  using PlanPtr = sharding::sql::PlanPtr;

  // --- session.cc: life and client I/O
  struct Suspend {
    Session& session;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { session.waiter_ = handle; }
    void await_resume() const noexcept {}
  };
  Suspend suspend() { return Suspend{*this}; }
  Task<> serve();
  Task<> handle(char type, Bytes body, Bytes whole);
  bool read_client();          // false: nothing more now
  void close();                // the coroutine ends, then the session
  bool stopped() const { return closing_; }
  void send(Bytes bytes);      // to the client, in order; written at the end of the batch
  void flush_client();
  void send_error(const Error& error);
  void send_lost(ServerConn& conn);  // what the server said when it ended the connection, or that it is gone
  void send_ready();
  void fatal(const Error& error);
  pgwire::TxStatus client_status() const;
  bool leaves_here();          // draining or handed over, and at a transaction boundary: the session is done
  bool freeze();               // false: what the client has here cannot be carried to another process

  // --- session_login.cc
  struct Startup {
    std::string user, database;
    std::vector<std::pair<std::string, std::string>> settings;  // in order
    std::string replication;      // "true" or "database"; empty: an ordinary client
    std::size_t key_length = 4;   // of the cancel key
  };
  Task<> login();
  Task<bool> read_startup(Startup& startup);
  bool take_startup(const pgwire::StartupRequest& request, Startup& startup);
  Task<bool> read_more();
  Task<bool> start_tls(bool direct);
  Task<bool> begin_direct_tls();
  Task<bool> welcome(const Startup& startup, const LoginProof& proof);

  // --- session_authenticate.cc: who it is, by which rule, and the proof
  Task<bool> admit(const Startup& startup, LoginProof& proof);
  Task<bool> look_up_user(const Startup& startup, LoginProof& proof);
  Task<bool> ask_password(const Startup& startup, LoginProof& proof);
  Task<bool> ask_md5(const Startup& startup, LoginProof& proof);
  Task<bool> ask_clear(const Startup& startup, LoginProof& proof);
  Task<bool> ask_scram(const Startup& startup, LoginProof& proof);
  Task<bool> read_password(std::string& body, pgwire::PasswordMessage& password);
  Task<bool> next_password(std::string& body, const char* what);
  bool check_names(const Startup& startup, const LoginProof& proof);
  void give_cancel_key(std::size_t length);
  bool count_client(const config::Database& database, const config::User& user);

  // --- session_replication.cc: a walsender's client, passed through
  Task<bool> welcome_replication(const Startup& startup, const LoginProof& proof);
  Task<> serve_replication();

  // --- session_admin.cc
  Task<> handle_admin(char type, Bytes body);
  Task<std::string> run_admin(std::string commands);

  // --- session_plan.cc: from text to server
  Result<PlanPtr> plan_text(Bytes sql, std::span<const Oid> types);
  // Of a table that has a sharding rule, but that the catalog does not know: it may have been created elsewhere just now.
  bool names_unknown_table(const sharding::sql::Plan& plan) const;
  // With a catalog that was read after this call. False: the session is closing.
  Task<bool> plan_anew(Bytes sql, std::span<const Oid> types, Result<PlanPtr>& plan);
  std::uint64_t scope();
  bool standard_conforming_strings() const;
  sharding::Values values_of(Bytes text, std::span<const sharding::sql::Slot> slots,
                             std::span<const sharding::BoundParam> params) const;
  std::vector<std::string> search_path() const;
  ShardId shard_for(const sharding::Route& route, const Plan& plan) const;
  static bool has_shared_effect(const Plan& plan);
  static bool may_leave_state(const Plan& plan);
  ServerConn* linked(ShardId shard) const;
  // A linked connection in this session's state, its transaction begun if one is active. Null: the client has been told.
  Task<ServerConn*> link(ShardId shard, const Plan& plan);
  Task<ServerConn*> acquire(Pool& from, bool tell = true);

  // --- session_limits.cc: waiting for a connection, and what may take only so long
  enum class Waited : std::uint8_t { kOver, kTimedOut, kDeadlock };
  Task<Waited> wait_in_queue(Pool& pool);
  Error queue_error(Pool& pool, Waited waited);
  milliseconds wait_limit(const Pool& pool) const;
  void give_way();
  void tell_waiting(Pool& pool);
  void watch_deadlines();
  void arm_idle_timer();

  Task<bool> bring_settings(ServerConn& conn, SettingsPtr wanted);
  void begin_on(ServerConn& conn);
  SettingsPtr settings_for(const Plan& plan) const;
  const Settings::Entry* setting(std::string_view name) const;
  void release(ServerConn& conn);
  void release_all_idle();
  void note_done(ServerConn& conn, const Plan& plan);
  void apply_effect(ServerConn& conn, const Plan& plan, Bytes text, bool ok);
  Error failed_transaction();

  // --- session_replica.cc: which server of a shard reads
  bool is_replicas_work(ShardId shard, bool reads) const;
  sharding::ReadFrom wish_by_policy(ShardId shard, const Plan& plan) const;
  bool is_withheld(ShardId shard, const Plan& plan) const;
  bool shows_floor(const control::ServerHealth& replica, ServerId primary) const;
  ServerId server_for(ShardId shard, const Plan& plan);
  bool may_read(ServerId replica, ServerId primary, std::int64_t mark, bool eventual) const;
  template <class MarkFor>
  ServerId choose_replica(ShardId shard, MarkFor mark_for, bool eventual = false);
  double warmth(ServerId replica, std::chrono::milliseconds slow_start) const;
  bool continues_on(const ServerConn& conn) const;
  Task<ServerConn*> hand_over_reads(ShardId shard);

  // --- session_copy.cc: COPY FROM STDIN
  Task<> pump_copy_in(ServerConn& conn);
  Task<> refuse_in_copy(ServerConn& conn, char type);
  Task<> settle_copy_syncs(ServerConn& conn);

  // --- session_simple.cc
  Task<> simple_query(Bytes body, Bytes whole);
  Task<> run_string(PlanPtr plan, std::vector<Result<sharding::Route>> routes, std::string sql);
  Task<bool> run_range(PlanPtr plan, std::size_t first, std::size_t last, const std::vector<Result<sharding::Route>>& routes,
                       const std::string& sql);
  void replace_unnamed_portal(const PlanPtr& query);
  Task<> run_single(const PlanPtr& plan, Bytes sql, Bytes whole);
  Task<> try_setting(const Plan& statement, Bytes text);
  Task<bool> run_query(ServerConn& conn, Bytes message, bool forward_ready);
  Task<bool> wait_owed(ServerConn& conn);
  Task<bool> own_query(ServerConn& conn, std::string_view sql, bool tell);
  Task<bool> ask(ServerConn& conn, std::string_view question, std::string& replies);
  Task<> function_call(Bytes whole);

  // --- session_guard.cc: blocks and rate limits
  // Before a statement is sent anywhere: why it must not be. Costs one comparison where there are no rules.
  std::optional<Error> refused_by_rules(const Plan& statement, Bytes text);
  RateSubject rate_subject() const;
  void look_up_limits(std::int64_t now);

  // --- session_hints.cc: the client's wishes (howdah.*)
  Result<sharding::Route> route_of(const Plan& statement, const sharding::Values& values, std::string_view comment, const HintsPtr& hints) const;
  Result<sharding::Route> route_of(const Plan& statement, const sharding::Values& values, std::string_view comment) const {
    return route_of(statement, values, comment, hints_);
  }
  Result<sharding::Route> hinted_route(const Plan& statement, const sharding::Values& values, const Hints& hints,
                                       Result<sharding::Route> route) const;
  Result<sharding::Route> shard_route(const Plan& statement, std::string_view name, ShardId shard, Result<sharding::Route> route) const;
  Result<sharding::Route> pinned_route(const Plan& statement, std::string_view name, ShardId shard, Result<sharding::Route> route) const;
  Result<sharding::Route> key_route(const Plan& statement, const sharding::Values& values, const std::string& key,
                                    Result<sharding::Route> route) const;
  std::vector<sharding::sql::KeyColumn> hinted_columns(const Plan* statement) const;
  Result<ShardId> hinted_shard(const Plan* statement, const std::string& key) const;
  std::vector<Result<sharding::Route>> routes_of(const sharding::sql::Plan& plan, Bytes text);
  HintDomain hint_domain() const;
  std::optional<Error> check_hints(const Hints& hints) const;
  Result<HintsPtr> changed_hints(const HintsPtr& from, const Plan& plan) const;
  bool set_howdah(const Plan& plan);
  bool show_howdah(const Plan& plan);
  // --- session_token.cc
  struct WalFloor {
    std::uint32_t timeline = 0;
    std::uint64_t lsn = 0;  // 0: none
    auto operator<=>(const WalFloor&) const = default;
  };
  Task<bool> show_token();
  Task<std::optional<WalFloor>> position_of(ShardId shard);
  bool set_token(const Plan& plan);
  std::optional<Error> take_token(std::string_view value);

  void change_hints(const Plan& plan, HintsPtr changed);
  void reset_hints();
  void end_hints(bool committed);
  std::optional<Error> take_login_hints(std::vector<std::pair<std::string, std::string>>& settings);
  ServerId wished_server(ShardId shard, const Plan& plan, sharding::ReadFrom wish);
  static std::optional<Error> refused_wish(const ServerConn& conn, sharding::ReadFrom wish);

  // --- session_explain.cc: SHOW howdah.route, EXPLAIN (HOWDAH)
  struct RouteText {
    std::string shards, server, reason, plan;
  };
  std::string shard_names(std::uint64_t mask) const;
  std::string server_name(ServerId server) const;
  void note_route(ShardId shard) { route_mask_ = std::uint64_t{1} << (shard.value() & 63u); }
  void note_many(const Plan& statement, const sharding::Route& route);
  bool show_route();
  bool send_route(const RouteText& text);
  bool explain_route(const Plan& plan, std::string_view text, const Portal* portal);
  RouteText placed_text(const Plan& statement, const sharding::Route& route);
  std::optional<Error> refused_later(const Plan& statement, const sharding::Route& route, std::string_view text) const;
  static Error needs_read_committed();
  static void note_parameter_types(Statement& statement, const std::string& description);
  bool describe_rows(ServerConn& conn, Bytes portal, std::uint64_t id);
  std::optional<Error> unknown_parameter(const Portal& portal) const;
  static void localize_bind(ServerConn& conn, std::string& out, std::size_t tail, const Statement& statement);
  Result<RouteText> route_text(const Plan& statement, std::string_view text, const sharding::Values& values, std::string_view comment);
  std::vector<Oid> explained_types(const Plan& plan, const std::vector<Oid>& types) const;

  // --- session_explain_many.cc: EXPLAIN of a statement over several shards
  Task<bool> run_explain(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal, std::string* held);
  Result<std::vector<WritePart>> split_explain(const Plan& statement, const sharding::Route& route, std::string_view whole, const Portal* portal);
  std::string explained(std::span<const WritePart> parts, const Plan& statement, const std::string& what, const std::vector<std::string>& replies,
                        const Portal* portal) const;
  Task<bool> explain_parts(std::vector<WritePart>& parts, const Plan& statement, const std::string& text, Portal* portal,
                           std::vector<std::string>& replies);

  // --- session_proxy.cc: statements that the proxy answers (transaction control, SHOW, ...)
  bool proxy_handles(const Plan& plan) const;
  bool proxied(const Plan& statement) const;
  bool cannot_fail(const Plan& statement) const;
  Task<bool> run_in_proxy(const Plan& plan, std::string_view text);
  bool fail_statement(const Error& error);
  void answer(std::string_view tag);
  Task<> refuse(const Plan& statement, std::string text, Error refusal);
  void warn(std::string_view state, std::string_view message);
  Task<bool> refuse_setting(const Plan& plan);
  static bool keeps_routes(const std::string& name, const std::string& value);

  // --- session_clock.cc
  using EditedPtr = std::shared_ptr<const sharding::EditedText>;
  Task<std::optional<sharding::ClockTimes>> read_clock(const Plan& statement, ShardId first);
  EditedPtr put_clock(const Plan& statement, std::string_view text, const sharding::ClockTimes& times);
  Task<std::optional<sharding::ClockTimes>> ask_clock(ServerConn& conn);

  // --- session_discard.cc: RESET to the client's login settings, DISCARD
  Task<bool> reset_setting(const Plan& plan, std::string_view text);
  Task<bool> discard(const Plan& plan);
  Task<bool> become(SettingsPtr wanted, std::string_view tag);

  // --- session_settle.cc: what a statement may have left on its connection
  void note_configs(ServerConn& conn, const Plan& plan, std::vector<std::string> from_params);
  void note_config(ServerConn& conn, std::string name, bool local);
  std::vector<std::string> config_names(const Plan& plan) const;
  void note_set(ServerConn* conn, const Plan& plan, Bytes statement);
  void note_state(ServerConn& conn, const Plan& plan, bool ok);
  void forget_notes(ServerConn& conn);
  Task<> settle();
  Task<> settle_on(ServerConn& conn);
  Task<bool> settle_code(ServerConn& conn);
  Task<> settle_in_transaction(ServerConn& conn);
  void took_setting(ServerConn& conn, const std::string& name, const std::optional<std::string>& value);
  Task<bool> ask_state(ServerConn& conn, std::string_view question, std::string& replies);
  std::optional<Error> refused_state(const Plan& plan) const;
  void tell_params(ServerConn& conn);
  void end_group_settings(bool failed);

  // --- session_cursors.cc: with several shards
  ServerConn* cursor_conn(std::string_view name) const;
  std::optional<Error> taken_cursor(std::string_view name, ShardId shard) const;
  void note_cursor(ServerConn& conn, const Plan& plan);
  void undo_cursors(std::size_t index);
  void end_cursors(bool committed);
  Task<bool> close_all_cursors(const Plan& plan);
  std::shared_ptr<ManyCursor> many_cursor(std::string_view name) const;  // over several shards; null: there is none of that name
  std::size_t cursor_bytes() const;
  Task<bool> declare_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal, std::string* held);
  Task<bool> open_cursor(PlanPtr plan, std::size_t index, sharding::Route route, std::string whole, Portal* portal);
  Task<bool> hold_cursors();
  bool holds_cursors() const;
  Task<bool> fetch_many(const Plan& plan, std::string_view text, const Portal* portal);
  void send_moved(Bytes messages, int offset);

  // --- session_listen.cc: LISTEN, UNLISTEN, and NOTIFY for those who listen
  bool shares_listener() const;
  Task<bool> run_listen(const Plan& plan);
  Task<bool> start_listening(const std::vector<std::string>& channels);
  Task<bool> prepare_listens();                // before COMMIT
  void finish_listens(bool committed);
  void finish_statement_listens(bool failed);
  void stop_listening();
  void hand_out_notifications();
  bool claim_notify(ServerConn& conn);
  void unclaim_notify(ServerConn& conn);
  Task<> settle_notify(ServerConn& conn);

  // --- session_transaction.cc
  Task<bool> commit(bool chain);
  Task<bool> rollback(bool chain);
  Task<bool> savepoint(const Plan& plan);
  Task<bool> commit_links(bool tell);    // false: rolled back (or unknown), and the client told when `tell`
  Task<bool> commit_parts();
  Task<bool> two_phase(std::vector<ServerConn*> writers);
  Task<> rollback_links();
  void end_transaction(bool committed);
  void begin_implicit();
  Task<bool> end_implicit(bool failed);
  Task<bool> set_transaction(const Plan& plan, std::string_view text);
  void take_options(const Plan& plan);
  Task<bool> begin_again(const Plan& plan, std::string_view text);
  Task<bool> relay(ServerConn& conn, std::string_view sql);
  Task<bool> on_links(std::span<ServerConn* const> conns, std::string_view sql, bool statuses = false);
  Task<bool> rollback_one();
  Task<> abort_prepared(std::vector<ServerConn*> participants, std::function<std::string(const ServerConn&)> gid,
                        std::string token_hash);
  Task<bool> wait_server(ServerConn& conn);
  Task<bool> own_query_quietly(ServerConn& conn, std::string_view sql);
  Task<Result<control::Outcome>> resolve(std::string database, ShardId commit_point, std::string token_hash);
  Task<bool> await_unfinished(ServerConn& conn);

  // --- session_broadcast.cc
  Task<bool> run_everywhere(PlanPtr plan, std::size_t index, std::string_view sql, Portal* portal);
  Task<bool> run_on_shards(const Plan& plan, const std::string& sql, Portal* portal, const sharding::EditedText* clocked);
  Task<bool> run_one_by_one(const Plan& plan, const std::string& sql, Portal* portal);
  void send_everywhere(ServerConn& conn, std::string_view sql, Portal* portal);
  bool tell_failure(std::span<ServerConn* const> conns, const sharding::EditedText* clocked = nullptr);
  Task<> refresh_catalog();

  // --- session_many.cc: one query over several shards
  Task<bool> run_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view sql, Portal* portal);
  Task<bool> merge_rows(std::span<ServerConn* const> conns, const Plan& statement, const sharding::Route& route,
                        const sharding::ShardText& text, Portal* portal);
  void send_part(ServerConn& conn, const sharding::ShardText& text, const Plan& statement, Portal* portal);
  bool tell_part_failure(ServerConn& conn, const sharding::ShardText& text);
  Task<bool> link_parts(const Plan& statement, const sharding::Route& route, std::vector<ServerConn*>& conns);
  Task<> drop_parts(std::span<ServerConn* const> conns);
  Task<> await_cancels(std::span<ServerConn* const> conns);
  void end_parts(std::span<ServerConn* const> conns, const Plan& statement, std::string_view text, bool ok, bool autocommit);
  void gathered(ServerConn& from);

  Task<std::optional<sharding::ShardText>> part_text(const Plan& statement, const sharding::Route& route, std::string_view query);

  // --- session_portals.cc: portals over several shards
  Task<bool> run_portal(std::string name, std::uint32_t most);
  Task<bool> open_portal(std::string name);
  Task<bool> run_stream(std::shared_ptr<ShardPortals> stream, std::uint32_t most);
  Task<bool> keep_portal(Portal portal, std::uint32_t most);
  Task<bool> settle_bound();
  Task<> describe_bound(const Portal& portal);
  Task<bool> run_fetch(std::string portal, std::uint32_t most);
  void close_dropped();
  bool spool_is_full();

  // --- session_many_write.cc: one write over several shards
  // Whatever runs on several shards; `whole` is the string that the statement is a part of.
  Task<bool> run_on_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal,
                         std::string* held);
  Task<bool> run_many_write(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view sql, Portal* portal,
                            std::string* held);
  Result<std::vector<WritePart>> split_write(const Plan& statement, const sharding::Route& route, std::string_view sql,
                                             const Portal* portal);
  Result<std::optional<ShardId>> split_move(const Plan& statement, std::string_view text, const Portal* portal);
  Result<std::vector<WritePart>> split_by_keys(const Plan& statement, std::span<const std::string> keys);
  Task<std::optional<std::vector<std::string>>> ask_keys(const Plan& statement);
  EditedPtr edit_write(const Plan& statement, std::string_view text, const std::optional<sharding::ClockTimes>& times,
                       std::span<const std::string> keys);
  bool cut_edited(std::vector<WritePart>& parts, const Plan& statement, const sharding::EditedText& edited);
  Task<bool> write_parts(std::vector<WritePart>& parts, const Plan& statement, const std::string& sql, Portal* portal,
                         sharding::WriteReply& reply);
  void send_write(const WritePart& part, const Plan& statement, const std::string& sql, Portal* portal);
  Task<bool> take_write_reply(const WritePart& part, const std::string& sql, sharding::WriteReply& reply);
  Task<bool> take_reply(ServerConn& conn, sharding::ReplyJoin& reply);
  void tell_write_failure(const WritePart& part, const std::string& sql);
  bool default_isolation_is_snapshot() const;
  bool in_snapshot_transaction() const;
  bool relaxed_isolation() const { return hints_ != nullptr && hints_->multi_shard_isolation == Hints::Isolation::kRelaxed; }
  bool refuses_default_isolation() const { return !relaxed_isolation() && default_isolation_is_snapshot(); }

  // --- session_copy_shards.cc: COPY FROM STDIN to several shards; session_copy_out.cc: COPY TO STDOUT from several
  enum class CopyEnd : std::uint8_t { kDone, kFailed, kRefused, kLost };  // kFailed: by the client
  Task<bool> run_copy_shards(PlanPtr plan, std::size_t index, std::string_view whole, Portal* portal);
  Task<bool> open_copies(CopyShards& copy, const Plan& statement, const std::string& sql);
  Task<bool> close_copies(CopyShards& copy, std::string_view reason);
  Task<bool> serve_copies(CopyShards& copy, Portal* portal);
  Task<CopyEnd> pump_copies(CopyShards& copy, std::optional<Error>& refused, char& unexpected, std::string& reason);
  void tell_copy_failure(CopyShare& share, bool by_client);
  Task<bool> run_copy_out(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal);
  Task<bool> join_copies(std::span<ServerConn* const> conns, const Plan& statement);

  // --- session_extended.cc: Parse, Bind, Describe, Execute, Close, Flush, Sync
  Task<> on_parse(Bytes body);
  Task<> on_bind(Bytes body, const pgwire::BindMessage* decoded = nullptr);
  Task<bool> large_bind(std::size_t total);  // session_large_bind.cc
  Task<> on_describe(Bytes body);
  Task<> on_execute(Bytes body);
  Task<> on_close_message(Bytes body);
  Task<> on_sync();
  Task<> on_flush();
  bool answers_itself(const sharding::sql::Plan& plan) const;
  std::uint16_t bind_effect(const std::string& name);
  Task<bool> bind_somewhere(const pgwire::BindMessage& bind, const StatementPtr& statement, PlanPtr plan);
  Task<> describe_statement(StatementPtr statement, std::shared_ptr<ClientStatement> client);
  void describe_proxy_statement(const Plan& plan, const Portal* portal);
  bool may_be_on_server(Bytes portal) const;
  Task<bool> ask_server(pgwire::OwedKind kind, std::string message);

  // --- session_group.cc: the messages between two Syncs as one unit
  Extended& ext();
  Task<> fail_group(Error error);
  void spoil_group();
  Task<bool> drain_group();
  Task<bool> bound_effects();
  Task<bool> leave_group_conn();         // before another connection takes over; false: refused, the client was told
  Task<> relieve_group();
  // session_repeat.cc: a group of reads whose server was lost
  void note_message(std::size_t size);
  bool may_repeat_on_loss_of(const ServerConn& conn);
  bool may_repeat_group(const ServerConn& conn);
  void repeat_group(const ServerConn& conn);
  // The connections of a server that ends are lost one after the other.
  static constexpr int kMostRepeats = 3;
  void flush_group(ServerConn& conn);
  void use(ServerConn& conn);
  Task<ServerConn*> any_conn();
  Task<bool> settle_pending();
  bool proxy_knows(const Statement& statement);
  void end_group();
  bool more_binds_may_follow() const;

  // --- session_implicit.cc: the implicit transaction of a group
  bool loose_group() const;
  Task<bool> control_loose_group(const Plan& plan, std::string text);
  Task<bool> query_amid_group(const sharding::sql::Plan* plan, Bytes text);
  Task<> end_query_amid_group();
  Task<bool> fail_on_server();

  // --- session_statements.cc: a client's names, and the statements that servers know
  ClientStatement* find_client(Bytes name);
  StatementPtr find_statement(Bytes name);
  bool failed_server_has(const Statement& statement) const;
  std::optional<Error> too_many_statements() const;
  Portal* find_portal(Bytes name);
  void drop_portals();
  Result<PlanPtr> plan_statement(Statement& statement);
  std::uint64_t statement_scope();
  void undo_pending();
  void undo_parse(const std::string& name, const StatementPtr& before);
  void note_local_setting(std::string_view name);
  void note_code(const Plan& plan);
  StatementPtr parsed_unnamed(Bytes text, std::span<const Oid> types);
  void ensure_parsed(ServerConn& conn, const StatementPtr& statement, std::uint16_t parse_effect);
  void fabricate(char type, std::uint16_t effect = 0);
  void settle_effect(ServerConn& from, const ServerEntry& entry, EntryOutcome outcome);
  void rename_error(const ServerConn& from, pgwire::ErrorFields fields, std::string& instead);

  // --- session_heal.cc: "cached plan must not change result type"
  void note_risk(const std::shared_ptr<ClientStatement>& client);
  Task<bool> heal(ServerConn& conn, bool synced);
  Task<bool> same_description(ServerConn& conn, const StatementPtr& fresh, std::uint64_t known);
  void send_again(ServerConn& conn, Bytes sent, const std::shared_ptr<ClientStatement>& client);

  Worker& worker_;
  net::Stream stream_;
  net::Buffer in_;
  net::Buffer out_;
  std::string* spool_ = nullptr;  // where what is sent goes instead, for a portal that is executed a few rows at a time
  std::size_t message_size_ = 0;    // of the message being handled, at the front of in_; 0 once it was consumed
  static constexpr std::size_t kTold = SIZE_MAX;
  std::size_t untold_ = 0;          // from where in out_ on answers belong to the group at hand; kTold: the client was sent some of them
  Bytes range_;                     // borrowed from a server connection's buffer until flush_replies()
  Task<> task_;
  std::coroutine_handle<> waiter_;
  net::Timer timer_;

  UserPools* pools_ = nullptr;
  SettingsPtr settings_ = Settings::none();
  SettingsPtr base_settings_ = Settings::none();
  HintsPtr hints_, login_hints_;
  std::vector<ServerConn*> links_;
  Transaction tx_;
  std::unique_ptr<Extended> ext_;
  std::unique_ptr<AdminProtocol> admin_;  // of a console session
  struct ShardView {
    std::int64_t mark = 0;          // a read may use a replica only if it has caught up to this
    WalFloor floor;                 // ... and only if it shows this, too
    std::int64_t last_read = 0;
    std::uint16_t last_server = kNoServer;
    std::int64_t ask_again = 0;     // see hand_over_reads()
    std::int64_t pause = 0;         // ... doubles while the answer is no
  };
  std::vector<ShardView> views_;    // by shard; empty without replicas
  ServerConn* granted_ = nullptr;
  std::unique_ptr<Error> pool_error_;
  std::unique_ptr<Deadlines> deadlines_;  // null: nothing of this client's is limited in time
  ClientSlot slot_;
  std::unique_ptr<Pool> replication_;  // a replication client's own; null otherwise

  struct Unfinished {
    ShardId shard;
    std::string gid;
  };
  std::vector<Unfinished> unfinished_;  // committed, but a participant was out of reach: await before reading there

  std::uint64_t scope_ = 0;
  std::uint64_t scope_version_ = 0;
  SettingsPtr scope_settings_;        // held: their address stands for their content
  SettingsPtr scope_local_;
  ReportedPtr told_;                  // ParameterStatus values that the client has heard
  SettingsPtr group_settings_;        // before the first SET since the last Sync; null: there was none
  std::unique_ptr<StateNotes> notes_;
  std::unique_ptr<Listening> listening_;
  std::unique_ptr<SessionGuard> guard_;  // null: no rules so far

  std::string user_name_;
  std::string peer_;
  SteadyTime connected_;
  SteadyTime request_at_;
  std::int32_t pid_ = 0;
  std::string cancel_key_;
  std::uint16_t route_server_ = kNoServer;  // ServerId of the last statement's server, for SHOW howdah.route
  std::uint16_t handover_ = kNoServer;     // a replica that may take this read over from the primary
  const char* route_reason_ = "";
  sharding::ReadFrom read_from_ = sharding::ReadFrom::kDefault;  // of the statement that link() is called for next
  std::uint64_t route_mask_ = 0;    // of the last statement, for SHOW howdah.route: bit i for shard i, from 64 on i % 64
  std::string route_plan_;          // ... of the last statement that ran on several shards
  bool logged_in_ = false;
  bool client_readable_ = true;
  ServerId avoided_{kNoServer};     // it was lost under the statement, or group, that is being repeated: not read from
  class Avoided {                   // ... to the end of a statement
   public:
    explicit Avoided(ServerId& server) : server_(server) { server_ = ServerId(kNoServer); }
    ~Avoided() { server_ = ServerId(kNoServer); }
    Avoided(const Avoided&) = delete;
    Avoided& operator=(const Avoided&) = delete;

   private:
    ServerId& server_;
  };
  bool cancel_asked_ = false;       // by the client, since the message at hand came
  bool client_hung_up_ = false;     // sends no more: what is left to read ends with the end of the stream
  bool closing_ = false;
  bool draining_ = false;           // drained or handed over at the next transaction boundary
  bool handing_over_ = false;
  bool frozen_ = false;             // on its way to another process: neither reads nor writes
  bool finishing_ = false;          // PAUSE waits for the messages that have been read
  bool cancel_ = false;             // arrived while waiting for a connection
  bool is_admin_ = false;
  bool counted_ = false;
  bool buried_ = false;
  bool timed_out_ = false;
  bool spanning_ = false;           // the worker watches it for deadlocks
  bool deadlocked_ = false;         // this one gives up, in a queue
  bool catalog_changed_ = false;    // by DDL of the transaction at hand
  bool committing_ = false;         // a two-phase commit is under way: nothing may end it
  bool relay_ready_ = false;        // the statement at hand is the whole string: its ReadyForQuery may be the server's
  bool ready_sent_ = false;         // the server's own ReadyForQuery already ended this string
  bool settle_ = false;             // something is to be asked of a server when the transaction has ended
  bool statement_failed_ = false;   // of the string at hand: an error went to the client
};

}  // namespace howdah::proxy
