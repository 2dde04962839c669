// What came back from a server: rows, or an error with its SQLSTATE.
#pragma once

#include <libpq-fe.h>

#include <boost/system/result.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace howdah::pq {

struct PgError {
  enum class Kind : std::uint8_t {
    kServer,      // an ErrorResponse; the connection lives unless the server closed it
    kConnection,  // cannot connect, or the connection broke
    kTimeout,     // the deadline passed; the connection is closed, the statement may still run
    kStopped,     // ended by a stop request; the connection is closed
  };
  Kind kind = Kind::kConnection;
  std::string sqlstate;  // five characters; empty when no server said it
  std::string message;   // one line
  std::string detail;
  std::string hint;
};

[[noreturn]] void throw_exception_from_error(const PgError& error, const boost::source_location& where);

template <class T>
using Answer = boost::system::result<T, PgError>;

// As one of Howdah's errors: ZH001 kStaleMap, ZH002 kWrongServer, no server kServerUnavailable, else
// kInternal with the server's SQLSTATE in the detail. `what` says what was being done, "shard s0: reading the
// map".
Error to_error(const PgError& error, const std::string& what);

// A parameter in text format; nullopt is NULL.
using Param = std::optional<std::string>;
using Params = std::vector<Param>;

// The rows of one statement in text format. Views live as long as the result.
class PgResult {
 public:
  PgResult(PGresult* result, std::vector<PgError> warnings)
      : result_(result), warnings_(std::move(warnings)) {}

  int rows() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  // NULL reads as the empty text.
  std::string_view get(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::string text(int row, int column) const { return std::string(get(row, column)); }
  bool flag(int row, int column) const { return get(row, column) == "t"; }
  // A decimal integer; 0 for NULL and for anything else.
  std::int64_t integer(int row, int column) const;
  std::string_view command_tag() const { return PQcmdStatus(result_.get()); }
  // Rows that INSERT, UPDATE or DELETE touched.
  std::int64_t affected() const;
  // Warnings (class 01) that came with it, such as a commit that did not wait for its standby.
  const std::vector<PgError>& warnings() const { return warnings_; }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
  std::vector<PgError> warnings_;
};

}  // namespace howdah::pq
