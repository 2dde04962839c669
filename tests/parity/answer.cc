#include "tests/parity/answer.h"

#include <algorithm>
#include <cctype>

namespace howdah::parity {
namespace {

void read_rows(PGresult* result, Answer& out) {
  if (PQresultStatus(result) == PGRES_COPY_IN || PQresultStatus(result) == PGRES_COPY_OUT) return;  // columns without names
  for (int c = 0; c < PQnfields(result); ++c) {
    out.names.emplace_back(PQfname(result, c));
    out.types.push_back(PQftype(result, c));
    out.typmods.push_back(PQfmod(result, c));
  }
  for (int r = 0; r < PQntuples(result); ++r) {
    auto& row = out.rows.emplace_back();
    for (int c = 0; c < PQnfields(result); ++c) {
      row.emplace_back();
      if (PQgetisnull(result, r, c) != 0) continue;
      row.back() = std::string(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c)));
    }
  }
}

Answer read(PGresult* result) {
  Answer out;
  const auto field = [result](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  out.sqlstate = field(PG_DIAG_SQLSTATE);
  out.message = field(PG_DIAG_MESSAGE_PRIMARY);
  out.detail = field(PG_DIAG_MESSAGE_DETAIL);
  out.hint = field(PG_DIAG_MESSAGE_HINT);
  out.tag = PQcmdStatus(result);
  read_rows(result, out);
  for (int p = 0; p < PQnparams(result); ++p) out.types.push_back(PQparamtype(result, p));
  return out;
}

// True while more results of this call may come; a broken connection has one last result with an error.
bool copy(PGconn* conn, PGresult* result, const std::string& data, Answer& answer) {
  const auto status = PQresultStatus(result);
  if (status == PGRES_COPY_IN) {
    PQputCopyData(conn, data.data(), static_cast<int>(data.size()));
    PQputCopyEnd(conn, nullptr);
  } else if (status == PGRES_COPY_OUT) {
    char* line = nullptr;
    for (int size; (size = PQgetCopyData(conn, &line, 0)) > 0; PQfreemem(line))
      answer.rows.push_back({std::string(line, static_cast<std::size_t>(size))});
  }
  return status == PGRES_COPY_IN || status == PGRES_COPY_OUT;
}

std::vector<Answer> results(PGconn* conn, const std::string& data) {
  std::vector<Answer> out;
  while (PGresult* result = PQgetResult(conn)) {
    Answer answer = read(result);
    copy(conn, result, data, answer);
    if (PQresultStatus(result) == PGRES_FATAL_ERROR && answer.sqlstate.empty()) {
      answer.sqlstate = "08006";
      answer.message = PQerrorMessage(conn);
    }
    PQclear(result);
    out.push_back(std::move(answer));
    if (PQstatus(conn) != CONNECTION_OK) break;
  }
  return out;
}

std::string quoted(const Value& value) {
  if (!value) return "NULL";
  std::string out = "'";
  for (const char c : *value) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string with_values(const std::string& sql, const Row& values) {
  std::string out;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    std::size_t number = 0, at = i + 1;
    while (sql[i] == '$' && at < sql.size() && std::isdigit(static_cast<unsigned char>(sql[at])) != 0)
      number = number * 10 + static_cast<std::size_t>(sql[at++] - '0');
    if (number == 0 || number > values.size()) {
      out += sql[i];
      continue;
    }
    out += quoted(values[number - 1]);
    i = at - 1;
  }
  return out;
}

std::string shown(const Row& row) {
  std::string out;
  for (const auto& value : row) out += (out.empty() ? "" : "|") + value.value_or("\\N");
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) < ' ') c = '.';
  }
  return out;
}

Row only(const Row& row, const std::vector<int>& columns) {
  Row out;
  for (const int column : columns) out.push_back(row.at(static_cast<std::size_t>(column)));
  return out;
}

std::string rows_difference(std::vector<Row> ours, std::vector<Row> theirs, const Order& order) {
  if (ours.size() != theirs.size())
    return std::to_string(ours.size()) + " rows instead of " + std::to_string(theirs.size());
  if (order.kind == Order::Kind::kTies || order.kind == Order::Kind::kTiesCut) {
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (only(ours[i], order.columns) != only(theirs[i], order.columns))
        return "row " + std::to_string(i) + " out of order: " + shown(ours[i]) + " instead of " + shown(theirs[i]);
    }
  }
  if (order.kind == Order::Kind::kTiesCut || order.kind == Order::Kind::kCount) return "";
  if (order.kind != Order::Kind::kTotal) {
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
  }
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] != theirs[i]) return "row " + std::to_string(i) + ": " + shown(ours[i]) + " instead of " + shown(theirs[i]);
  }
  return "";
}

template <typename Items>
std::string list(const Items& items) {
  std::string out;
  for (const auto& item : items) {
    if constexpr (std::is_same_v<std::decay_t<decltype(item)>, std::string>) {
      out += item + " ";
    } else {
      out += std::to_string(item) + " ";
    }
  }
  return out;
}

std::string one_difference(const Answer& ours, const Answer& theirs, const Order& order) {
  if (ours.sqlstate != theirs.sqlstate) {
    return "SQLSTATE '" + ours.sqlstate + "' instead of '" + theirs.sqlstate + "': " + ours.message + " / " + theirs.message;
  }
  if (ours.names != theirs.names) return "columns " + list(ours.names) + "instead of " + list(theirs.names);
  if (ours.types != theirs.types) return "types " + list(ours.types) + "instead of " + list(theirs.types);
  if (ours.typmods != theirs.typmods) return "type modifiers " + list(ours.typmods) + "instead of " + list(theirs.typmods);
  if (ours.tag != theirs.tag) return "tag '" + ours.tag + "' instead of '" + theirs.tag + "'";
  return rows_difference(ours.rows, theirs.rows, order);
}

}  // namespace

const char* name_of(Mode mode) {
  return mode == Mode::kSimple ? "simple" : mode == Mode::kText ? "extended, text" : "extended, binary";
}

std::vector<Answer> run(PGconn* conn, const std::string& sql, Mode mode, const Row& values, const std::string& copy_data) {
  if (mode == Mode::kSimple) {
    PQsendQuery(conn, with_values(sql, values).c_str());
    return results(conn, copy_data);
  }
  std::vector<const char*> texts;
  for (const auto& value : values) texts.push_back(value ? value->c_str() : nullptr);
  const int count = static_cast<int>(texts.size());
  if (mode == Mode::kBinary) {
    PQsendQueryParams(conn, sql.c_str(), count, nullptr, texts.data(), nullptr, nullptr, 1);
    return results(conn, copy_data);
  }
  PQsendPrepare(conn, "", sql.c_str(), 0, nullptr);
  auto out = results(conn, "");
  if (out.empty() || !out.back().sqlstate.empty()) return out;
  PQsendDescribePrepared(conn, "");
  out = results(conn, "");
  if (out.empty() || !out.back().sqlstate.empty()) return out;
  PQsendQueryPrepared(conn, "", count, texts.data(), nullptr, nullptr, 0);
  for (auto& answer : results(conn, copy_data)) out.push_back(std::move(answer));
  return out;
}

std::string difference(const std::vector<Answer>& ours, const std::vector<Answer>& theirs, const Order& order) {
  const auto error_of = [](const std::vector<Answer>& answers) {
    return answers.empty() ? std::string("nothing") : answers.back().sqlstate;
  };
  // Which of Parse, Describe and Execute brings an error is not compared, the error is.
  if (!error_of(ours).empty() || !error_of(theirs).empty()) {
    static const Answer kNothing;
    return one_difference(ours.empty() ? kNothing : ours.back(), theirs.empty() ? kNothing : theirs.back(), order);
  }
  if (ours.size() != theirs.size())
    return std::to_string(ours.size()) + " results instead of " + std::to_string(theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (auto text = one_difference(ours[i], theirs[i], order); !text.empty()) return text;
  }
  return "";
}

}  // namespace howdah::parity
