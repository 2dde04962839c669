#include "proxy/core/tls_upgrade.h"

#include "drivers/pgwire/startup.h"

namespace howdah::proxy {

namespace {

Error failed(std::string why, std::string hint = {}) {
  return make_error(ErrorCode::kServerUnavailable, "could not set up TLS with the server", std::move(hint), std::move(why));
}

}  // namespace

Result<TlsUpgrade::Step> TlsUpgrade::step(net::Stream& stream) {
  if (state_ == State::kStart) {
    std::string request;
    pgwire::append_ssl_request(request);
    // Eight bytes into an empty socket buffer: written whole, or the connection failed.
    if (stream.write(request).count != request.size()) return failed("the connection broke");
    state_ = State::kAsked;
  }
  if (state_ == State::kAsked) {
    auto answer = take_answer(stream);
    if (!answer || *answer == Step::kDone || state_ == State::kAsked) return answer;
  }
  const auto handshake = stream.handshake();
  if (handshake.status == net::IoStatus::kWouldBlock) return Step::kWait;
  if (handshake.status == net::IoStatus::kOk) return Step::kDone;
  return failed(net::handshake_failure(stream.ssl()), "look at sslmode, sslrootcert, sslcert and sslkey of the server");
}

Result<TlsUpgrade::Step> TlsUpgrade::take_answer(net::Stream& stream) {
  char answer[2];
  const auto got = stream.read(answer, sizeof answer);
  if (got.status == net::IoStatus::kWouldBlock) return Step::kWait;
  if (got.status != net::IoStatus::kOk) return failed("the server closed the connection");
  // Bytes behind the answer were sent in the clear and would count as if they had come encrypted.
  if (got.count > 1) return failed("the server sent more than its answer in the clear");
  if (answer[0] == 'N') {
    if (target_.must) return failed("the server does not support TLS, but sslmode requires it");
    return Step::kDone;
  }
  if (answer[0] != 'S') return failed("the server's answer to the TLS request is none");
  SSL* connection = net::connect_tls(target_.context.get(), target_.name, target_.verify_name);
  if (connection == nullptr) return failed("out of memory");
  stream.start_tls(connection);
  state_ = State::kHandshake;
  return Step::kWait;
}

}  // namespace howdah::proxy
