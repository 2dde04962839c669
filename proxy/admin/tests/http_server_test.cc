// The HTTP endpoint by itself, over real sockets: good requests, bad ones, slow ones.
#include "proxy/admin/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace howdah::admin {
namespace {

using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Until the server closes, or `end` was seen.
  std::string read(std::string_view end = "\x01") {
    std::string got;
    char buffer[4096];
    while (got.find(end) == std::string::npos) {
      const auto count = recv(fd_, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      got.append(buffer, static_cast<std::size_t>(count));
    }
    return got;
  }

 private:
  int fd_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void start(HttpServer::Settings settings) {
    server = std::make_unique<HttpServer>(settings, [](std::string_view target) {
      return HttpReply{target == "/" ? 200 : 404, "text/plain", "<" + std::string(target) + ">"};
    });
    ASSERT_TRUE(server->start());
  }
  std::string ask(std::string_view request) {
    Client client(server->port());
    client.send(request);
    return client.read();
  }
  static std::string status(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

  std::unique_ptr<HttpServer> server;
};

TEST_F(HttpServerTest, AnswersGet) {
  const auto answer = ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(status(answer), "HTTP/1.1 200 OK");
  EXPECT_TRUE(answer.ends_with("\r\n\r\n</>")) << answer;
  EXPECT_EQ(status(ask("GET /no?a=b HTTP/1.0\r\n\r\n")), "HTTP/1.1 404 Not Found");
}

TEST_F(HttpServerTest, AnswersHeadWithTheLengthAndNoBody) {
  const auto answer = ask("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status(answer), "HTTP/1.1 200 OK");
  EXPECT_NE(answer.find("Content-Length: 3\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, KeepsAConnectionForFurtherRequests) {
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(client.read("</>").ends_with("</>"));
  }
}

TEST_F(HttpServerTest, RefusesOtherMethods) {
  const auto answer = ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
  EXPECT_EQ(status(answer), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_NE(answer.find("Allow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, AnswersGarbageWith400) {
  for (const char* request : {"nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                              "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    EXPECT_EQ(status(ask(request)), "HTTP/1.1 400 Bad Request") << request;
  }
  EXPECT_EQ(status(ask(std::string("\0\xff\x16\x03\x01", 5) + "\r\n\r\n")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status(ask("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 200 OK");
}

TEST_F(HttpServerTest, BoundsTheRequestsSize) {
  const std::string header = "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'a');
  EXPECT_EQ(status(ask(header)), "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(status(ask("POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\nabc")), "HTTP/1.1 413 Payload Too Large");
}

TEST_F(HttpServerTest, ClosesConnectionsThatSendNothing) {
  server.reset();
  start({.timeout = 50ms});
  Client silent(server->port());
  Client slow(server->port());
  slow.send("GET / HT");
  EXPECT_EQ(silent.read(), "");
  EXPECT_EQ(slow.read(), "");
}

TEST_F(HttpServerTest, TurnsAwayConnectionsBeyondItsLimit) {
  server.reset();
  start({.connections = 2});
  Client first(server->port()), second(server->port());
  for (Client* client : {&first, &second}) {
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(client->read("</>").ends_with("</>"));
  }
  Client third(server->port());
  EXPECT_EQ(third.read(), "");
  first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(first.read("</>").ends_with("</>"));
}

TEST_F(HttpServerTest, StopsWithConnectionsOpen) {
  Client idle(server->port());
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read("</>");
  server.reset();
  EXPECT_EQ(idle.read(), "");
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  HttpServer second({.port = server->port()}, [](std::string_view) { return HttpReply{}; });
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kConfig);
  EXPECT_NE(started.error().message.find("in use"), std::string::npos) << started.error().message;
}

}  // namespace
}  // namespace howdah::admin
