#include "tests/support/pg_conn.h"

#include <stdexcept>
#include <utility>

namespace howdah::testing {
namespace {

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

std::vector<const char*> pointers(const std::vector<Value>& values) {
  std::vector<const char*> list;
  for (const auto& value : values) list.push_back(value ? value->c_str() : nullptr);
  return list;
}

void collect_notice(void* into, const PGresult* result) {
  static_cast<std::vector<std::string>*>(into)->push_back(field(result, PG_DIAG_MESSAGE_PRIMARY));
}

}  // namespace

std::string Answer::scalar() const {
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

std::string Answer::text() const {
  std::string out;
  for (const auto& row : rows) {
    if (!out.empty()) out += ';';
    for (std::size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : "|") + row[i].value_or("\\N");
  }
  return out;
}

Answer to_answer(PGconn* conn, PGresult* result) {
  Answer answer;
  const auto status = PQresultStatus(result);
  if (result == nullptr || status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
    answer.sqlstate = result == nullptr ? "" : field(result, PG_DIAG_SQLSTATE);
    if (answer.sqlstate.empty()) answer.sqlstate = "08006";
    answer.message = result == nullptr ? "" : field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (answer.message.empty()) answer.message = PQerrorMessage(conn);
    answer.detail = result == nullptr ? "" : field(result, PG_DIAG_MESSAGE_DETAIL);
    answer.hint = result == nullptr ? "" : field(result, PG_DIAG_MESSAGE_HINT);
    PQclear(result);
    return answer;
  }
  answer.tag = PQcmdStatus(result);
  for (int c = 0; c < PQnfields(result); ++c) answer.columns.emplace_back(PQfname(result, c));
  for (int r = 0; r < PQntuples(result); ++r) {
    auto& row = answer.rows.emplace_back();
    for (int c = 0; c < PQnfields(result); ++c) {
      if (PQgetisnull(result, r, c)) {
        row.emplace_back();
      } else {
        row.emplace_back(std::string(PQgetvalue(result, r, c), PQgetlength(result, r, c)));
      }
    }
  }
  PQclear(result);
  return answer;
}

PgConn::PgConn(const std::string& url)
    : conn_(PQconnectdb(url.c_str())), notices_(new std::vector<std::string>) {
  PQsetNoticeReceiver(conn_, collect_notice, notices_);
}

PgConn::~PgConn() {
  PQfinish(conn_);
  delete notices_;
}

PgConn::PgConn(PgConn&& other) noexcept
    : conn_(std::exchange(other.conn_, nullptr)), notices_(std::exchange(other.notices_, nullptr)) {}

PgConn& PgConn::operator=(PgConn&& other) noexcept {
  std::swap(conn_, other.conn_);
  std::swap(notices_, other.notices_);
  return *this;
}

Answer PgConn::query(const std::string& sql) {
  return to_answer(conn_, PQexec(conn_, sql.c_str()));
}

Answer PgConn::query(const std::string& sql, const std::vector<Value>& values) {
  const auto list = pointers(values);
  return to_answer(conn_, PQexecParams(conn_, sql.c_str(), static_cast<int>(list.size()), nullptr,
                                       list.data(), nullptr, nullptr, 0));
}

Answer PgConn::prepare(const std::string& name, const std::string& sql) {
  return to_answer(conn_, PQprepare(conn_, name.c_str(), sql.c_str(), 0, nullptr));
}

Answer PgConn::execute(const std::string& name, const std::vector<Value>& values) {
  const auto list = pointers(values);
  return to_answer(conn_, PQexecPrepared(conn_, name.c_str(), static_cast<int>(list.size()), list.data(),
                                         nullptr, nullptr, 0));
}

Answer PgConn::must(const std::string& sql) {
  auto answer = query(sql);
  if (!answer.ok()) throw std::runtime_error(answer.sqlstate + ": " + answer.message + " in: " + sql);
  return answer;
}

}  // namespace howdah::testing
