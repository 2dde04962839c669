// A PostgreSQL client connection for tests: one query in, rows of strings out.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>
#include <vector>

namespace howdah::testing {

using Value = std::optional<std::string>;  // nothing: NULL

// What one statement answered. On an error `sqlstate` is set (08006 when the connection broke) and rows are
// empty.
struct Answer {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
  std::string tag;  // "INSERT 0 1"
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;

  bool ok() const { return sqlstate.empty(); }
  // The first column of the first row; "" when NULL or absent.
  std::string scalar() const;
  // "a|b;c|d" with NULL as \N: for compact comparisons.
  std::string text() const;
};

// RAII over libpq. Blocking. Notices are collected, not printed.
class PgConn {
 public:
  // Connects; does not throw. See ok() and error().
  explicit PgConn(const std::string& url);
  ~PgConn();
  PgConn(PgConn&& other) noexcept;
  PgConn& operator=(PgConn&& other) noexcept;

  bool ok() const { return PQstatus(conn_) == CONNECTION_OK; }
  std::string error() const { return PQerrorMessage(conn_); }

  // Simple protocol; of several statements, the last one's answer or the first error.
  Answer query(const std::string& sql);
  // Extended protocol, unnamed statement, values in text, types left to the server.
  Answer query(const std::string& sql, const std::vector<Value>& values);
  Answer prepare(const std::string& name, const std::string& sql);
  Answer execute(const std::string& name, const std::vector<Value>& values);
  // As query(), but throws std::runtime_error with the server's message on an error.
  Answer must(const std::string& sql);
  std::string scalar(const std::string& sql) { return must(sql).scalar(); }

  const std::vector<std::string>& notices() const { return *notices_; }
  PGconn* raw() { return conn_; }

 private:
  PGconn* conn_ = nullptr;
  std::vector<std::string>* notices_ = nullptr;
};

// What a libpq result says; takes ownership.
Answer to_answer(PGconn* conn, PGresult* result);

}  // namespace howdah::testing
