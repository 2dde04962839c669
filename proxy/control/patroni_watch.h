// What Patroni says about one server: its REST endpoint, asked again and again.
// https://patroni.readthedocs.io/en/latest/rest_api.html#monitoring-endpoint
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"

namespace howdah::control {

struct PatroniWord {
  bool answers = false;
  bool leader = false;          // role master, primary or leader, and running
  std::uint32_t timeline = 0;
  bool operator==(const PatroniWord&) const = default;
};

// GET /patroni's body. One that is not understood is no answer.
PatroniWord parse_patroni(const std::string& body);

// Lives on the control thread; must outlive its loop, which ends soon after stop().
class PatroniWatch {
 public:
  using Changed = std::function<void(const PatroniWord&)>;

  // `url` is "http://host:port". `changed` is called when the word is another one than before.
  PatroniWatch(boost::asio::io_context& io, const std::string& url, std::chrono::milliseconds interval, Changed changed);
  void start();
  void stop();

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<PatroniWord> ask();

  boost::asio::io_context& io_;
  std::string host_, port_;
  const std::chrono::milliseconds interval_;
  const Changed changed_;
  PatroniWord last_;
  boost::asio::steady_timer timer_;
  bool stopping_ = false;
};

}  // namespace howdah::control
