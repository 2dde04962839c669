#include "drivers/pq/link.h"

#include <algorithm>

namespace howdah::pq {

namespace {

std::string field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value == nullptr ? std::string() : std::string(value);
}

PgError server_error(const PGresult* result) {
  return {PgError::Kind::kServer, field(result, PG_DIAG_SQLSTATE), field(result, PG_DIAG_MESSAGE_PRIMARY),
          field(result, PG_DIAG_MESSAGE_DETAIL), field(result, PG_DIAG_MESSAGE_HINT)};
}

// libpq ends its messages with a line feed and may put several lines into one.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::vector<const char*> pointers(const Params& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
  return values;
}

}  // namespace

Want Link::start(const ConnectParams& params) {
  close(PgError::Kind::kConnection, "not connected");
  refused_ = false;
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : params) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 1));
  if (!connection_ || PQstatus(connection_.get()) == CONNECTION_BAD) return fail();
  PQsetNoticeReceiver(connection_.get(), &Link::on_notice, this);
  return Want::kWrite;
}

Want Link::step_connect() {
  switch (PQconnectPoll(connection_.get())) {
    case PGRES_POLLING_READING:
      return Want::kRead;
    case PGRES_POLLING_WRITING:
      return Want::kWrite;
    case PGRES_POLLING_OK:
      break;
    default:
      return fail();
  }
  if (PQsetnonblocking(connection_.get(), 1) != 0) return fail();
  ready_ = true;
  return Want::kDone;
}

bool Link::begin(int sent) {
  PQclear(std::exchange(rows_, nullptr));
  refused_ = false;
  warnings_.clear();
  if (sent == 0) fail();
  return sent != 0;
}

bool Link::send(const std::string& sql, const Params& params) {
  if (!is_open()) return false;
  if (params.empty()) return begin(PQsendQuery(connection_.get(), sql.c_str()));
  auto values = pointers(params);
  return begin(PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                                 values.data(), nullptr, nullptr, 0));
}

bool Link::send_prepare(const std::string& name, const std::string& sql) {
  if (!is_open()) return false;
  return begin(PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr));
}

bool Link::send_prepared(const std::string& name, const Params& params) {
  if (!is_open()) return false;
  auto values = pointers(params);
  return begin(PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                                   values.data(), nullptr, nullptr, 0));
}

Want Link::step() {
  int flushed = PQflush(connection_.get());
  if (flushed < 0 || PQconsumeInput(connection_.get()) == 0) return fail();
  while (PQisBusy(connection_.get()) == 0) {
    PGresult* result = PQgetResult(connection_.get());
    if (result == nullptr) {
      if (PQstatus(connection_.get()) == CONNECTION_BAD) return fail();
      return Want::kDone;
    }
    auto status = PQresultStatus(result);
    keep(result);
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      close(PgError::Kind::kConnection, "COPY is not supported on this connection");
      return Want::kFailed;
    }
  }
  return flushed > 0 ? Want::kWrite : Want::kRead;
}

// The first error counts, and so do the rows of the last statement before it.
void Link::keep(PGresult* result) {
  auto status = PQresultStatus(result);
  if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
    if (!std::exchange(refused_, true)) answer_error_ = server_error(result);
    PQclear(result);
    return;
  }
  PQclear(std::exchange(rows_, result));
}

Answer<PgResult> Link::take() {
  if (refused_) return std::move(answer_error_);
  return PgResult(std::exchange(rows_, nullptr), std::move(warnings_));
}

Want Link::fail() {
  // A server that ends a connection (57P01, 28P01) says so in an ErrorResponse first: that is the better
  // reason.
  PgError reason{PgError::Kind::kConnection, {}, {}, {}, {}};
  if (refused_ && !answer_error_.sqlstate.empty()) reason = answer_error_;
  if (reason.message.empty()) {
    reason.message = connection_ ? one_line(PQerrorMessage(connection_.get())) : "out of memory";
  }
  close(PgError::Kind::kConnection, {});
  error_ = std::move(reason);
  error_.kind = PgError::Kind::kConnection;
  return Want::kFailed;
}

void Link::close(PgError::Kind why, std::string message) {
  connection_.reset();
  ready_ = false;
  PQclear(std::exchange(rows_, nullptr));
  error_ = {why, {}, std::move(message), {}, {}};
}

void Link::on_notice(void* self, const PGresult* notice) {
  auto* link = static_cast<Link*>(self);
  auto warning = server_error(notice);
  if (warning.sqlstate.starts_with("01")) link->warnings_.push_back(std::move(warning));
}

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

std::string quote_literal(std::string_view value) {
  std::string quoted = value.find('\\') == std::string_view::npos ? "'" : " E'";
  for (char c : value) {
    if (c == '\'' || c == '\\') quoted.push_back(c);
    quoted.push_back(c);
  }
  quoted.push_back('\'');
  return quoted;
}

}  // namespace howdah::pq
