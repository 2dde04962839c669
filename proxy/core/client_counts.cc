#include "proxy/core/client_counts.h"

#include <utility>

namespace howdah::proxy {

ClientSlot& ClientSlot::operator=(ClientSlot&& other) noexcept {
  if (this != &other) {
    leave();
    counts_ = std::exchange(other.counts_, nullptr);
    user_ = std::move(other.user_);
    database_ = std::move(other.database_);
  }
  return *this;
}

void ClientSlot::leave() {
  if (counts_ != nullptr) counts_->leave(user_, database_);
  counts_ = nullptr;
}

Result<ClientSlot> ClientCounts::enter(const std::string& user, const std::string& database, std::uint32_t user_limit,
                                       std::uint32_t database_limit) {
  std::lock_guard lock(mutex_);
  auto& of_user = users_[user];
  auto& of_database = databases_[database];
  if (user_limit != 0 && of_user >= user_limit) {
    return make_error(ErrorCode::kTooManyClients, "too many connections for role \"" + user + "\"",
                      "raise limits.clients_per_user, or limits.clients of the user, in the proxy's configuration");
  }
  if (database_limit != 0 && of_database >= database_limit) {
    return make_error(ErrorCode::kTooManyClients, "too many connections for database \"" + database + "\"",
                      "raise limits.clients_per_database, or limits.clients of the database, in the proxy's configuration");
  }
  ++of_user;
  ++of_database;
  ClientSlot slot;
  slot.counts_ = this;
  slot.user_ = user;
  slot.database_ = database;
  return slot;
}

void ClientCounts::leave(const std::string& user, const std::string& database) {
  std::lock_guard lock(mutex_);
  --users_[user];
  --databases_[database];
}

}  // namespace howdah::proxy
