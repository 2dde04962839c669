// How many clients each user and each database has.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"

namespace howdah::proxy {

class ClientCounts;

// One client's place among its user's and its database's. Gives it back when it goes.
class ClientSlot {
 public:
  ClientSlot() = default;
  ClientSlot(ClientSlot&& other) noexcept { *this = std::move(other); }
  ClientSlot& operator=(ClientSlot&& other) noexcept;
  ~ClientSlot() { leave(); }

 private:
  friend class ClientCounts;
  void leave();
  ClientCounts* counts_ = nullptr;
  std::string user_, database_;
};

// Thread-safe; one lock per login and per end of a client.
class ClientCounts {
 public:
  // kTooManyClients, in PostgreSQL's words, when the user or the database has as many as it may (0: no limit).
  Result<ClientSlot> enter(const std::string& user, const std::string& database, std::uint32_t user_limit,
                           std::uint32_t database_limit);

 private:
  friend class ClientSlot;
  void leave(const std::string& user, const std::string& database);

  std::mutex mutex_;
  std::map<std::string, std::uint32_t> users_, databases_;
};

}  // namespace howdah::proxy
