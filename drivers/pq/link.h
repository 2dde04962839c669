// One libpq connection driven step by step, without ever waiting: its owner waits for the socket between
// steps. https://www.postgresql.org/docs/15/libpq-async.html
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "drivers/pq/result.h"

namespace howdah::pq {

// libpq's connection keywords and their values; "dbname" may hold a URI or a keyword=value string.
// https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS
using ConnectParams = std::vector<std::pair<std::string, std::string>>;

// What a step needs before the next one.
enum class Want : std::uint8_t { kRead, kWrite, kDone, kFailed };

// Owned by one thread. A failure leaves it closed; the reason is in error().
class Link {
 public:
  Link() = default;
  ~Link() { PQclear(rows_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Looks up host names, which may block: give "hostaddr" to avoid that.
  Want start(const ConnectParams& params);
  // After the socket became ready. The socket may change from step to step while connecting.
  Want step_connect();

  // REQUIRES: connected, nothing under way. Without parameters the text may hold several statements.
  bool send(const std::string& sql, const Params& params);
  bool send_prepare(const std::string& name, const std::string& sql);
  bool send_prepared(const std::string& name, const Params& params);
  // Until kDone (take() has the answer, which may be a server's error) or kFailed.
  Want step();
  // The last statement's rows, or the first error.
  Answer<PgResult> take();

  bool is_open() const { return connection_ != nullptr && ready_; }
  int socket() const { return connection_ ? PQsocket(connection_.get()) : -1; }
  int server_version() const { return connection_ ? PQserverVersion(connection_.get()) : 0; }
  const PgError& error() const { return error_; }
  void close(PgError::Kind why, std::string message);

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  static void on_notice(void* self, const PGresult* notice);
  Want fail();
  bool begin(int sent);
  void keep(PGresult* result);

  std::unique_ptr<PGconn, Finish> connection_;
  bool ready_ = false;
  PgError error_;             // why the link is closed
  PGresult* rows_ = nullptr;  // of the exchange under way
  bool refused_ = false;      // the exchange ended in answer_error_
  PgError answer_error_;
  std::vector<PgError> warnings_;
};

// Quotes an identifier for use in SQL text.
std::string quote_identifier(std::string_view name);
// Quotes a literal; safe at both settings of standard_conforming_strings.
std::string quote_literal(std::string_view value);

}  // namespace howdah::pq
