#include "tools/howdahctl/check_queries.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tools/howdahctl/proxy_url.h"

namespace howdah::ctl {

namespace {

enum class Kind { kOneShard, kManyShards, kRefused, kError };
constexpr std::array<const char*, 4> kNames = {"one-shard", "many-shard", "refused", "error"};

struct Verdict {
  Kind kind = Kind::kError;
  std::string shards, reason, plan, hint;
};

// The texts of the database that the URL names, with how often they ran.
constexpr const char* kStatisticsSql =
    "SELECT query, sum(calls)::bigint FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "GROUP BY query ORDER BY 2 DESC, 1";

Result<std::vector<Query>> from_statistics(const std::string& url) {
  auto server = pq::Connection::connect(url);
  if (!server) return make_error(ErrorCode::kServerUnavailable, server.error().message);
  const auto rows = (*server)->exec(kStatisticsSql);
  if (!rows) return make_error(ErrorCode::kConfig, rows.error().message, "CREATE EXTENSION pg_stat_statements in that database.");
  std::vector<Query> out;
  for (int i = 0; i < rows->rows(); ++i) add_query(out, rows->get(i, 0), static_cast<std::uint64_t>(rows->integer(i, 1)));
  return out;
}

Result<std::string> read_all(const std::string& path) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
    return std::move(text).str();
  }
  std::ifstream in(path, std::ios::binary);
  if (in) text << in.rdbuf();
  if (!in && !text.str().empty()) return make_error(ErrorCode::kConfig, path + ": cannot be read");
  if (!in.is_open()) return make_error(ErrorCode::kConfig, path + ": " + std::strerror(errno));
  return std::move(text).str();
}

Verdict ask(pq::Connection& proxy, const std::string& text) {
  Verdict out;
  const auto rows = proxy.exec("EXPLAIN (HOWDAH) " + text);
  if (!rows) {
    out.reason = (rows.error().sqlstate.empty() ? "" : rows.error().sqlstate + ": ") + rows.error().message;
    out.hint = rows.error().hint;
    return out;
  }
  if (rows->rows() != 1 || rows->columns() != 4) {
    out.reason = "the proxy gave no answer";
    return out;
  }
  out.shards = rows->text(0, 0);
  out.reason = rows->text(0, 2);
  out.plan = rows->text(0, 3);
  if (out.reason.starts_with("refused: ")) {
    out.kind = Kind::kRefused;
    out.reason.erase(0, std::strlen("refused: "));
    const auto hint = out.plan.find("hint: ");
    if (hint != std::string::npos) out.hint = out.plan.substr(hint + std::strlen("hint: "));
    return out;
  }
  const bool by = out.shards.starts_with("by $");
  const bool many = by ? !out.plan.starts_with("one shard") || out.plan.find(", or ") != std::string::npos : out.shards.find(',') != std::string::npos;
  out.kind = many ? Kind::kManyShards : Kind::kOneShard;
  return out;
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) out += c;
    if (space && !out.empty() && out.back() != ' ') out += ' ';
  }
  return out;
}

std::string to_json(const Query& query, const Verdict& verdict) {
  return "{\"statement\": " + json_string(query.text) + ", \"count\": " + std::to_string(query.count) + ", \"result\": \"" +
         kNames[static_cast<std::size_t>(verdict.kind)] + "\", \"shards\": " + json_string(verdict.shards) + ", \"reason\": " + json_string(verdict.reason) +
         ", \"plan\": " + json_string(verdict.plan) + ", \"hint\": " + json_string(verdict.hint) + "}";
}

void print(const Query& query, const Verdict& verdict) {
  std::printf("%-10s %s\n", kNames[static_cast<std::size_t>(verdict.kind)], one_line(query.text).c_str());
  if (verdict.kind == Kind::kRefused || verdict.kind == Kind::kError) {
    std::printf("           %s\n", verdict.reason.c_str());
    if (!verdict.hint.empty()) std::printf("           hint: %s\n", verdict.hint.c_str());
  } else {
    std::printf("           %s%s%s: %s\n", verdict.shards.c_str(), verdict.shards.empty() ? "" : ", ", verdict.reason.c_str(), verdict.plan.c_str());
  }
}

}  // namespace

int CheckQueries::run() const {
  const auto fail = [](const Error& error) {
    std::fprintf(stderr, "howdahctl: %s\n", error.message.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "%s\n", error.hint.c_str());
    return 2;
  };
  std::vector<Query> queries;
  if (!statistics.empty()) {
    auto found = from_statistics(statistics);
    if (!found) return fail(found.error());
    queries = std::move(*found);
  } else {
    const auto text = read_all(file);
    if (!text) return fail(text.error());
    queries = read_queries(*text, format);
  }
  auto proxy = connect_database(url, database);
  if (!proxy) return fail(proxy.error());
  std::array<std::uint64_t, 4> statements{}, calls{};
  std::string list;
  for (const Query& query : queries) {
    const Verdict verdict = ask(**proxy, query.text);
    if (!(*proxy)->is_open()) return fail(make_error(ErrorCode::kServerLost, "the connection to the proxy is lost: " + verdict.reason));
    const auto kind = static_cast<std::size_t>(verdict.kind);
    ++statements[kind];
    calls[kind] += query.count;
    if (json) {
      list += (list.empty() ? "\n  " : ",\n  ") + to_json(query, verdict);
    } else {
      print(query, verdict);
    }
  }
  std::string totals;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    totals += (i == 0 ? "" : ", ") + (json ? json_string(kNames[i]) + ": {\"statements\": " + std::to_string(statements[i]) + ", \"calls\": " + std::to_string(calls[i]) + "}"
                                           : std::to_string(statements[i]) + " " + kNames[i]);
  }
  if (json) {
    std::printf("{\"schema\": \"howdah.check-queries.v1\", \"statements\": [%s%s], \"totals\": {%s}}\n", list.c_str(), list.empty() ? "" : "\n", totals.c_str());
  } else {
    std::printf("%zu statements: %s\n", queries.size(), totals.c_str());
  }
  return statements[static_cast<std::size_t>(Kind::kRefused)] + statements[static_cast<std::size_t>(Kind::kError)] == 0 ? 0 : 1;
}

}  // namespace howdah::ctl
