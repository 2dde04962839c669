#include "tests/e2e_pool/pool_fixture.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "tests/support/wait.h"

namespace howdah::e2e_pool {

using testing::Answer;
using testing::PgConn;

void send(PgConn& client, const std::string& sql) {
  if (PQsendQuery(client.raw(), sql.c_str()) != 1) throw std::runtime_error(client.error());
}

bool answered(PgConn& client) {
  return PQconsumeInput(client.raw()) != 1 || PQisBusy(client.raw()) == 0;
}

Answer answer(PgConn& client) {
  Answer last;
  bool any = false;
  while (PGresult* result = PQgetResult(client.raw())) {
    auto next = testing::to_answer(client.raw(), result);
    if (!any || last.ok()) last = std::move(next);
    any = true;
  }
  return any ? last : testing::to_answer(client.raw(), nullptr);
}

void cancel(PgConn& client) {
  std::array<char, 256> error{};
  PGcancel* request = PQgetCancel(client.raw());
  const bool sent = request != nullptr && PQcancel(request, error.data(), error.size()) == 1;
  PQfreeCancel(request);
  if (!sent) throw std::runtime_error(std::string("cancel: ") + error.data());
}

long Console::pools(const std::string& column) {
  const Answer shown = conn_.must("SHOW POOLS");
  const auto position = [&](const std::string& name) {
    const auto at = std::find(shown.columns.begin(), shown.columns.end(), name);
    if (at == shown.columns.end()) throw std::runtime_error("SHOW POOLS has no column " + name);
    return static_cast<std::size_t>(at - shown.columns.begin());
  };
  long sum = 0;
  for (const auto& row : shown.rows) {
    if (row[position("user")] == "app") sum += std::stol(row[position(column)].value_or("0"));
  }
  return sum;
}

void Console::await_waiting(long count) {
  testing::await(
      std::to_string(count) + " waiting clients", [&] { return pools("cl_waiting") == count; },
      std::chrono::seconds(10));
}

long app_connections(PgConn& superuser) {
  return std::stol(superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"));
}

void await_running(PgConn& superuser, const std::string& text) {
  testing::await(
      "a server to run " + text,
      [&] {
        return superuser
                   .query(
                       "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
                       "AND position($1::text in query) > 0",
                       {text})
                   .scalar() == "1";
      },
      std::chrono::seconds(10));
}

}  // namespace howdah::e2e_pool
