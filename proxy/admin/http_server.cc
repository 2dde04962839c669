// The only file that includes Beast: it is slow to compile.
#include "proxy/admin/http_server.h"

#include <fcntl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <thread>

#include "drivers/net/thread_signals.h"

namespace howdah::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Fault = boost::system::error_code;

namespace {

// One connection; kept alive by its own pending operation.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const HttpServer::Settings& settings, const HttpServer::Get& get,
             std::shared_ptr<void> token)
      : stream_(std::move(socket)), settings_(settings), get_(get), token_(std::move(token)),
        buffer_(settings.request_bytes) {}

  void read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(settings_.request_bytes));
    parser_->body_limit(settings_.request_bytes);
    stream_.expires_after(settings_.timeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](Fault fault, std::size_t) { self->on_request(fault); });
  }

 private:
  void on_request(Fault fault) {
    // Gone, or too slow: there is nobody to answer.
    if (fault == http::error::end_of_stream || fault == beast::error::timeout || fault == asio::error::eof ||
        fault == asio::error::connection_reset || fault == asio::error::operation_aborted ||
        fault == http::error::partial_message) {
      return close();
    }
    if (fault == http::error::body_limit || fault == http::error::header_limit || fault == http::error::buffer_overflow) {
      return reply({413, "text/plain; charset=utf-8", "request too large\n"}, false);
    }
    if (fault) return reply({400, "text/plain; charset=utf-8", "bad request\n"}, false);
    const auto& request = parser_->get();
    head_ = request.method() == http::verb::head;
    if (request.method() != http::verb::get && !head_) {
      return reply({405, "text/plain; charset=utf-8", "only GET and HEAD\n"}, false);
    }
    reply(get_(std::string_view(request.target().data(), request.target().size())), parser_->keep_alive());
  }

  void reply(HttpReply reply, bool keep_alive) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(reply.status));
    response_.set(http::field::server, "howdah");
    response_.set(http::field::content_type, reply.content_type);
    response_.set(http::field::cache_control, "no-store");
    if (reply.status == 405) response_.set(http::field::allow, "GET, HEAD");
    response_.keep_alive(keep_alive);
    response_.content_length(reply.body.size());
    if (!head_) response_.body() = std::move(reply.body);
    stream_.expires_after(settings_.timeout);
    http::async_write(stream_, response_, [self = shared_from_this(), keep_alive](Fault fault, std::size_t) {
      if (fault || !keep_alive) return self->close();
      self->head_ = false;
      self->read();
    });
  }

  void close() {
    Fault ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  beast::tcp_stream stream_;
  const HttpServer::Settings& settings_;
  const HttpServer::Get& get_;
  std::shared_ptr<void> token_;  // counts connections
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool head_ = false;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Settings settings, Get get)
      : settings_(std::move(settings)), get_(std::move(get)), acceptor_(io_), retry_(io_),
        connections_(std::make_shared<int>(0)) {}

  Result<void> start() {
    Fault fault;
    const auto failed = [&] {
      return make_error(ErrorCode::kConfig, "http: cannot listen on " + settings_.address + ":" +
                                                std::to_string(settings_.port) + ": " + fault.message());
    };
    const auto address = asio::ip::make_address(settings_.address, fault);
    if (fault) return failed();
    const tcp::endpoint endpoint(address, settings_.port);
    if (settings_.listening_socket >= 0) {
      acceptor_.assign(endpoint.protocol(), settings_.listening_socket, fault);
    } else {
      acceptor_.open(endpoint.protocol(), fault);
      if (!fault) acceptor_.set_option(tcp::acceptor::reuse_address(true), fault);
      if (!fault) acceptor_.bind(endpoint, fault);
      if (!fault) acceptor_.listen(asio::socket_base::max_listen_connections, fault);
    }
    if (fault) return failed();
    port_ = acceptor_.local_endpoint(fault).port();
    accept();
    thread_ = std::thread([this] {
      net::block_signals();
      io_.run();
    });
    return {};
  }

  void stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  std::uint16_t port() const { return port_; }
  int listening_socket() { return fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0); }

 private:
  void accept() {
    acceptor_.async_accept([this](Fault fault, tcp::socket socket) {
      if (fault == asio::error::operation_aborted) return;
      if (fault) return accept_later();
      if (connections_.use_count() <= static_cast<long>(settings_.connections)) {
        std::make_shared<Connection>(std::move(socket), settings_, get_, connections_)->read();
      }
      accept();
    });
  }

  // Descriptors ran out, most likely: trying at once would keep the thread busy.
  void accept_later() {
    retry_.expires_after(std::chrono::milliseconds(200));
    retry_.async_wait([this](Fault fault) {
      if (!fault) accept();
    });
  }

  const Settings settings_;
  const Get get_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::shared_ptr<int> connections_;  // its use count is one more than there are connections
  std::uint16_t port_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(Settings settings, Get get)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(get))) {}

HttpServer::~HttpServer() { stop(); }

Result<void> HttpServer::start() { return impl_->start(); }

void HttpServer::stop() { impl_->stop(); }

std::uint16_t HttpServer::port() const { return impl_->port(); }

int HttpServer::listening_socket() const { return impl_->listening_socket(); }

}  // namespace howdah::admin
