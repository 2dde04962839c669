// An UPDATE of the sharding key over several shards: rows leave the shards where they are for those of their new keys (ADR 0018).
//
//   describe    one server says what the client's text takes and gives, and whether our texts are as we think
//   take        in the order of the shards: what moves is deleted; where all new keys belong, the client's own text runs
//   put         in the order of the shards: the rows are inserted
//
// All of it is a part of the transaction that the caller has begun.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "drivers/pgwire/pipeline.h"
#include "proxy/core/extended.h"
#include "proxy/core/task.h"
#include "proxy/core/write_part.h"
#include "sharding/sql/plan.h"
#include "sharding/write/move_reply.h"
#include "sharding/write/move_text.h"

namespace howdah::proxy {

class ServerConn;
class Session;

// Works on behalf of one session, on its thread, for one statement. All that it is given outlives run(); `portal` is null for a
// simple query.
class MoveRows {
 public:
  // `parts`: the shards where rows may be, in their order; `to`: see sharding::move_target().
  MoveRows(Session& session, const sharding::sql::StatementPlan& statement, std::vector<WritePart>& parts, const std::string& text,
           const Portal* portal, std::optional<ShardId> to);

  // `answer` gets the end of the client's answer. False: the client was told.
  Task<bool> run(std::string& answer);

 private:
  using Texts = sharding::MoveText;
  struct Described {
    std::vector<Oid> params;
    std::string rows;              // RowDescription's body; empty: none came
  };
  // The values of the client's Bind message.
  struct ClientBind {
    std::string whole;             // what the rest points into
    std::vector<std::int16_t> formats;  // one for each parameter
    std::size_t params = 0;
    Bytes values, result_formats;  // as they stand there; of the values without their count
  };
  bool read_bind();
  Task<bool> link_parts();
  Task<bool> describe();
  Task<bool> describe_text(ServerConn& conn, std::string_view text, std::span<const Oid> types, Described& out);
  Error wrong_params(std::size_t wanted) const;
  bool make_head(const Described& client);
  Task<bool> take();
  Task<bool> probe(WritePart& part);
  Task<bool> run_here(WritePart& part);
  Task<bool> take_from(WritePart& part);
  Task<bool> run_on(WritePart& part, std::string_view text, Bytes result_formats, sharding::ReplyJoin& reply);
  static void begin_reply(ServerConn& conn);
  Task<bool> put();
  bool deal_out(std::vector<std::vector<std::uint32_t>>& by_shard);
  Task<bool> put_on(WritePart& part, std::span<const std::uint32_t> rows);
  Task<bool> take_reply(WritePart& part, sharding::ReplyJoin& reply, bool own_text);
  void finish();
  void parse(std::string& out, ServerConn& conn, std::string_view text, std::span<const Oid> types);
  void execute(std::string& out, ServerConn& conn, Bytes more, std::size_t more_count, Bytes result_formats);
  void sync(std::string& out, ServerConn& conn);
  void owe(ServerConn& conn, pgwire::OwedKind kind, bool forward);
  bool fail(const Error& error);
  bool refuse(std::string detail);
  bool computed() const { return statement_.many_write->move->stored.any_of.empty(); }

  Session& session_;
  const sharding::sql::StatementPlan& statement_;
  std::vector<WritePart>& parts_;
  const std::string& text_;
  const Portal* portal_;
  std::optional<ShardId> to_;
  ClientBind bind_;
  Texts texts_;
  std::vector<Oid> params_;        // of the client's parameters
  std::vector<Oid> put_params_;    // ... and of those that carry values
  sharding::TakenRows taken_;
  std::optional<sharding::MovedReply> reply_;
};

}  // namespace howdah::proxy
