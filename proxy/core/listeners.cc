#include "proxy/core/listeners.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

void Listeners::listen(Session& session, const std::string& database, const std::vector<std::string>& channels) {
  requests_[++last_id_] = {&session, database, channels};
  worker_.proxy().listener(database).listen(worker_.index(), last_id_, channels);
}

void Listeners::fence(Session& session, const std::string& database) {
  requests_[++last_id_] = {&session, database, {}};
  worker_.proxy().listener(database).fence(worker_.index(), last_id_);
}

void Listeners::unlisten(Session& session, const std::string& database, const std::vector<std::string>& channels) {
  for (const auto& channel : channels) {
    const auto found = sessions_.find(key(database, channel));
    if (found == sessions_.end()) continue;
    std::erase(found->second, &session);
    if (found->second.empty()) sessions_.erase(found);
  }
  worker_.proxy().listener(database).unlisten(worker_.index(), channels);
}

bool Listeners::active(const std::string& database) { return worker_.proxy().listener(database).active(); }

void Listeners::claim(const std::string& database, std::int32_t backend, std::int32_t client) {
  worker_.proxy().listener(database).claim(backend, client);
}

void Listeners::unclaim(const std::string& database, std::int32_t backend) {
  worker_.proxy().listener(database).unclaim(backend);
}

void Listeners::forget(Session& session) {
  for (auto& [id, request] : requests_) {
    if (request.session == &session) request.session = nullptr;
  }
}

void Listeners::answered(std::uint64_t id, const Error* error) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  const Request request = std::move(found->second);
  requests_.erase(found);
  if (request.session == nullptr) {
    if (error == nullptr) worker_.proxy().listener(request.database).unlisten(worker_.index(), request.channels);
    return;
  }
  if (error == nullptr) {
    for (const auto& channel : request.channels) sessions_[key(request.database, channel)].push_back(request.session);
  }
  request.session->on_listener(error);
}

void Listeners::hand_out(const std::string& database, const std::string& channel, const std::string& message) {
  const auto found = sessions_.find(key(database, channel));
  if (found == sessions_.end()) return;
  const auto sessions = found->second;
  for (Session* session : sessions) session->on_notification(channel, message);
}

void Listeners::deliver(const std::string& database, const pq::Notification& notification) {
  std::string message;
  pgwire::append_notification(message, notification.pid, notification.channel, notification.payload);
  hand_out(database, notification.channel, message);
}

void Listeners::gap(const std::string& database, const std::string& channel) {
  std::string message;
  append_warning(message, "01000", "notifications on channel \"" + channel + "\" may have been lost: the listening connection was interrupted");
  hand_out(database, channel, message);
}

}  // namespace howdah::proxy
