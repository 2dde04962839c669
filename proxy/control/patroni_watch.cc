#include "proxy/control/patroni_watch.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

namespace howdah::control {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr auto kPatience = std::chrono::seconds(1);

}  // namespace

PatroniWord parse_patroni(const std::string& body) {
  boost::system::error_code error;
  const auto value = boost::json::parse(body, error);
  if (error || !value.is_object()) return {};
  const auto text = [&](const char* key) -> std::string {
    const auto* found = value.as_object().if_contains(key);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : "";
  };
  const std::string role = text("role");
  if (role.empty()) return {};
  PatroniWord word{.answers = true};
  word.leader = (role == "master" || role == "primary" || role == "leader") && text("state") == "running";
  if (const auto* timeline = value.as_object().if_contains("timeline"); timeline != nullptr && timeline->is_int64()) {
    word.timeline = static_cast<std::uint32_t>(timeline->as_int64());
  }
  return word;
}

PatroniWatch::PatroniWatch(asio::io_context& io, const std::string& url, std::chrono::milliseconds interval, Changed changed)
    : io_(io), interval_(interval), changed_(std::move(changed)), timer_(io) {
  const std::string address = url.substr(std::string("http://").size());
  host_ = address.substr(0, address.rfind(':'));
  port_ = address.substr(address.rfind(':') + 1);
}

void PatroniWatch::start() { asio::co_spawn(io_, run(), asio::detached); }

void PatroniWatch::stop() {
  stopping_ = true;
  timer_.cancel();
}

asio::awaitable<void> PatroniWatch::run() {
  while (!stopping_) {
    const PatroniWord word = co_await ask();
    if (stopping_) break;
    if (word != last_) changed_(last_ = word);
    timer_.expires_after(interval_);
    co_await timer_.async_wait(kAwait);
  }
}

asio::awaitable<PatroniWord> PatroniWatch::ask() {
  asio::ip::tcp::resolver resolver(io_);
  auto [failed, addresses] = co_await resolver.async_resolve(host_, port_, kAwait);
  if (failed) co_return PatroniWord{};
  beast::tcp_stream stream(io_);
  stream.expires_after(kPatience);
  auto [refused, where] = co_await stream.async_connect(addresses, kAwait);
  if (refused) co_return PatroniWord{};
  http::request<http::empty_body> request(http::verb::get, "/patroni", 11);
  request.set(http::field::host, host_);
  request.set(http::field::connection, "close");
  auto [unsent, sent] = co_await http::async_write(stream, request, kAwait);
  if (unsent) co_return PatroniWord{};
  beast::flat_buffer buffer(64 * 1024);
  http::response<http::string_body> response;
  auto [unread, read] = co_await http::async_read(stream, buffer, response, kAwait);
  if (unread) co_return PatroniWord{};
  co_return parse_patroni(response.body());
}

}  // namespace howdah::control
