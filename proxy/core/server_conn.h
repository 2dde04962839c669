// One connection to a PostgreSQL server: socket, pipeline of owed replies, and what is known of its session state.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "drivers/net/buffer.h"
#include "drivers/net/reactor.h"
#include "drivers/net/stream.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/pipeline.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/pins.h"
#include "proxy/core/prepared.h"
#include "proxy/core/reported.h"
#include "proxy/core/settings.h"

namespace howdah::proxy {

class Pool;
class ServerConn;
class ServerLogin;

// How the reply that was owed to a message ended.
enum class EntryOutcome : std::uint8_t {
  kDone,
  kFailed,   // answered by an error
  kSkipped,  // not looked at by the server: a message before it had failed
};

// Who gets a server connection's replies: the session that holds it. All calls come from ServerConn::on_io().
class ReplyOwner {
 public:
  // Bytes for the client: whole messages, or parts of one that is streamed. Valid until flush_replies().
  virtual void on_reply(ServerConn& from, Bytes bytes) = 0;
  // A five-byte message of the proxy's own, at its place in the order.
  virtual void on_fabricated(ServerConn& from, char type) = 0;
  // An ErrorResponse that the client would get. False: it does not. A message in `instead` takes its place.
  virtual bool on_server_error(ServerConn&, const pgwire::Owed<ReplyOwner*>&, const pgwire::ErrorFields&,
                               std::string& /*instead*/) {
    return true;
  }
  // An entry ended. Those that one error ended come last to first, before the pipeline forgets them.
  virtual void on_entry_done(ServerConn& from, const pgwire::Owed<ReplyOwner*>& entry, EntryOutcome outcome) = 0;
  // ReadyForQuery for a Query, Sync or FunctionCall of this owner.
  virtual void on_ready(ServerConn& from, const pgwire::Owed<ReplyOwner*>& entry) = 0;
  virtual void on_copy_in(ServerConn& from) = 0;
  // The connection is gone; `from` stays valid until the owner lets go of it.
  virtual void on_lost(ServerConn& from) = 0;
  // End of a batch of replies: write out what on_reply() handed over.
  virtual void flush_replies(ServerConn& from) = 0;
  // The server can take more: resume reading the client if that was held back.
  virtual void on_server_writable(ServerConn& from) = 0;
  // No cancel is on its way to this connection any more.
  virtual void on_cancels_over(ServerConn&) {}

 protected:
  ~ReplyOwner() = default;
};

using ServerEntry = pgwire::Owed<ReplyOwner*>;

// What a session notes about a server connection while it holds it.
struct LinkState {
  bool in_transaction = false;   // BEGIN was sent and not yet ended
  bool wrote = false;            // ran something not proven free of writes in this transaction
  bool collect = false;          // keep forwardable replies in `collected` instead of handing them on
  bool gather = false;           // with `collect`: the owner is told of every batch, and takes from `collected` as it comes
  bool error = false;            // an ErrorResponse came since this was last reset
  bool error_forwarded = false;  // ... and it went to the client
  bool forwarded = false;        // something of the current statement went to the client
  bool copy_in = false;          // the server waits for CopyData
  bool replica = false;
  bool eventual = false;         // a replica that may show less than its client has seen elsewhere
  bool unsynced = false;         // extended messages were sent that no Sync has followed yet
  bool executed = false;         // ... among them an Execute
  bool notified = false;         // this transaction used what cannot be prepared (NOTIFY, temporary tables, WITH HOLD)
  bool unclean = false;          // ran code that may have left session state: reset before another client gets it
  bool any_code = false;         // ... code of which nothing is known beforehand: DO, texts that were not understood
  Pins pins;                     // state that cannot be carried, and is there: kept after the transaction
  Pins suspected;                // state that may be there: to be asked for when the transaction has ended
  bool told = false;             // the client has heard what `reported` held when the session linked it
  bool withheld = false;         // ... and has not heard of some ParameterStatus since
  bool timed_out = false;        // its cancel is the proxy's, for a statement that took too long
  bool deadlocked = false;       // ... or because the transaction is to give way to others
  bool cut = false;              // lost in the middle of a message that the client has the beginning of
  bool raw = false;              // every byte is the client's: replication
  std::uint32_t copy_syncs = 0;  // Syncs handed on inside a COPY, which takes them for nothing as long as it goes on
  std::uint32_t stray_readies = 0;  // ReadyForQuery for such Syncs: the COPY had failed by then
  std::size_t replayed_at_join = 0;  // entries of Transaction::replay when it joined
  std::uint32_t owed = 0;        // entries of this session still in the pipeline
  std::string collected;
  int position_offset = 0;       // characters of the client's text before the part that was sent
  bool hide_position = false;    // its text is not the client's: positions in its errors mean nothing there
  std::string error_body;        // the last error's fields
  std::string tag;               // the last command tag of an entry that is not forwarded, or collected
  std::string types;             // the last ParameterDescription of an entry that is not forwarded
  std::uint64_t description = 0; // hash of the last RowDescription that answered a Describe with an effect
  SettingsPtr settings_at_begin; // of the server connection, for ROLLBACK
};

class ServerConn final : public net::IoHandler, public net::TimerHandler, private net::Runnable {
 public:
  enum class State : std::uint8_t {
    kConnecting,  // in its pool's `connecting_` list
    kIdle,        // in its pool's `idle_` list
    kLinked,      // held by a session
    kLost,        // broken; destroyed when its holder lets go
  };

  ServerConn(Pool& pool, net::Reactor& reactor);
  ~ServerConn();
  ServerConn(const ServerConn&) = delete;
  ServerConn& operator=(const ServerConn&) = delete;

  // Begins to connect and log in; the pool hears of the end.
  void connect();

  // Bytes for the server, kept until flush(); flush(more) writes both with one system call.
  void queue(Bytes bytes) { out_.append(bytes); }
  void flush(Bytes more = {});
  // flush(), and what it writes is appended to `kept`, which takes the buffer over where it can.
  void flush_into(net::Buffer& kept);
  std::size_t queued() const { return out_.size(); }
  // True while the server takes bytes slower than they come.
  bool congested() const { return out_.size() > kHighWater; }
  void owe(const ServerEntry& entry);

  // Back-pressure: nothing is read from the server until resumed.
  void pause_reading() { paused_ = true; }
  void resume_reading();
  bool reading_paused() const { return paused_; }

  // Moves to another worker's pool and thread: detach on the one, attach on the other.
  void detach();
  void attach(Pool& pool, net::Reactor& reactor);

  void link_to(ReplyOwner& owner);
  void unlink();
  // Breaks the connection on purpose.
  void fail(Error reason);
  // Closes it without a word to anybody: its pool has given it up, and events that are already on their way must not
  // give it up again.
  void retire();

  void on_io(std::uint32_t events) override;
  void on_timer() override;

  Pool& pool() const { return *pool_; }
  State state() const { return state_; }
  void set_state(State state) { state_ = state; }
  bool is_tls() const { return stream_.is_tls(); }
  bool lost() const { return state_ == State::kLost; }
  const Error& lost_reason() const { return lost_reason_; }
  // Part of a message went to the client, the rest is still to come.
  bool mid_message() const { return body_left_ > 0 && body_forward_; }
  bool clean() const;  // nothing owed, nothing half read, idle in no transaction

  pgwire::Pipeline<ReplyOwner*> pipeline;
  LinkState link;
  pgwire::TxStatus tx_status = pgwire::TxStatus::kIdle;
  SettingsPtr settings = Settings::none();    // what the connection's parameters are now
  ServerStatements statements;                // prepared on this connection
  ReportedParams params;                      // as last reported, in PostgreSQL's order
  ReportedPtr reported;                       // the same, to be compared by pointer; null: not made yet
  std::int32_t backend_pid = 0;
  std::string backend_key;
  std::string default_search_path;            // as the login role has it
  std::uint64_t stamped_epoch = 0;
  bool reset_needed = false;                  // released, but with another client's state still on it
  bool close_needed = false;                  // closed when released: RECONNECT or PAUSE came
  bool as_replica = false;                    // logged in while its server was a replica
  std::uint32_t timeline = 0;                 // of the primary, when it logged in; 0: not asked
  std::int64_t server_started = 0;            // and when its server was, in microseconds since 1970
  bool listens = false;                       // LISTEN ran on it (session mode)
  bool awaits_cancel = false;                 // released, but a cancel is still on its way
  void cancels_over() {
    if (state_ == State::kLinked && owner_ != nullptr) owner_->on_cancels_over(*this);
  }
  std::uint32_t cancels_in_flight = 0;        // not to be reused before these are done
  bool cancel_again = false;                  // asked for while one was on its way
  bool recycle = false;                       // not for another client: the server's role changed, or a cancel is astray
  SteadyTime created;
  SteadyTime last_used;
  SteadyTime linked_since;
  SteadyTime owing_since;  // of the oldest reply owed without a pause
  SteadyTime heard_at;     // when bytes last came
  SteadyTime late_since;   // the owing_since for which the server was counted as late
  std::uint64_t id = 0;

 private:
  friend class ServerLogin;
  static constexpr std::size_t kHighWater = 256 * 1024;

  void read_some();
  void process();
  void take_frame(char type, Bytes body, Bytes whole);
  bool rows_are_translated() const;
  bool translate(char type, Bytes body);
  void take_error(Bytes body, Bytes whole);
  void take_ready(Bytes body, Bytes whole);
  void take_stray(char type, Bytes body);
  void relay_raw();
  void give(const ServerEntry& entry, Bytes bytes);
  bool give_error(const ServerEntry& entry, const pgwire::ErrorFields& fields, Bytes body, Bytes whole);
  void ended(Error reason);
  void run() override;
  void drop_owed();
  void hand_out_fabricated();
  void end_batch();

  Pool* pool_;
  net::Reactor* reactor_;
  net::Stream stream_;
  net::Timer timer_;
  net::Buffer in_;
  net::Buffer out_;
  State state_ = State::kConnecting;
  std::unique_ptr<ServerLogin> login_;
  ReplyOwner* owner_ = nullptr;
  bool paused_ = false;
  bool hung_up_ = false;         // the server sends no more: read on to the end of the stream
  bool readable_ = false;        // an edge said so and we have not read to its end
  bool owner_touched_ = false;   // replies were handed out in this batch
  std::vector<ids::Column> row_types_;  // columns whose binary values have OIDs of this server's own in them, as last described
  bool row_types_known_ = false;        // none of its columns is of a type of which nothing is known
  std::uint32_t body_left_ = 0;  // of a message that is streamed on
  bool body_forward_ = false;
  bool ending_ = false;          // it is lost once its owner has seen the last reply
  bool waits_turn_ = false;
  Error lost_reason_;
};

}  // namespace howdah::proxy
