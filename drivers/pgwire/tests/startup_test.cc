#include "drivers/pgwire/startup.h"

#include <gtest/gtest.h>

namespace howdah::pgwire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using Kind = StartupRequest::Kind;

FrameStatus parse_copy(Bytes bytes, StartupRequest& out, std::size_t& consumed, std::vector<char>& storage) {
  storage.assign(bytes.begin(), bytes.end());
  return next_startup(Bytes(storage.data(), storage.size()), out, consumed);
}

std::string packet(Bytes after_length) {
  std::string bytes;
  append_be(bytes, static_cast<std::uint32_t>(4 + after_length.size()));
  return bytes.append(after_length);
}

struct Case {
  const char* name;
  std::string bytes;
  Kind kind;
  int major = 1234, minor = 0;
  std::vector<std::pair<Bytes, Bytes>> params = {};
  std::int32_t pid = 0;
  Bytes key = {};
};

const std::string kLongKey(256, 'k');

std::vector<Case> cases() {
  return {
      {"SSLRequest", std::string("\0\0\0\x08\x04\xd2\x16\x2f"sv), Kind::kSsl, 1234, 5679},
      {"GSSENCRequest", std::string("\0\0\0\x08\x04\xd2\x16\x30"sv), Kind::kGss, 1234, 5680},
      {"CancelRequest",
       std::string("\0\0\0\x10\x04\xd2\x16\x2e\0\0\1\2keys"sv),
       Kind::kCancel,
       1234,
       5678,
       {},
       258,
       "keys"},
      {"CancelRequest with a long key",
       packet("\x04\xd2\x16\x2e\xff\xff\xff\xff"s + kLongKey),
       Kind::kCancel,
       1234,
       5678,
       {},
       -1,
       kLongKey},
      {"StartupMessage",
       packet("\0\3\0\0user\0app\0database\0bank\0\0"sv),
       Kind::kStartup,
       3,
       0,
       {{"user", "app"}, {"database", "bank"}}},
      {"no parameters", packet("\0\3\0\0\0"sv), Kind::kStartup, 3, 0},
      {"empty value", packet("\0\3\0\0user\0\0\0"sv), Kind::kStartup, 3, 0, {{"user", ""}}},
      {"3.2 with a protocol option",
       packet("\0\3\0\2user\0app\0_pq_.x\0y\0\0"sv),
       Kind::kStartup,
       3,
       2,
       {{"user", "app"}, {"_pq_.x", "y"}}},
      {"2.0", packet("\0\2\0\0anything"sv), Kind::kStartup, 2, 0},
      {"a version nobody speaks", packet("\0\x63\0\1"sv), Kind::kStartup, 99, 1},
  };
}

TEST(Startup, ReadsEveryPacketOnlyWhenItIsComplete) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    StartupRequest request;
    std::size_t consumed = 0;
    std::vector<char> storage;
    for (std::size_t size = 0; size < c.bytes.size(); ++size) {
      EXPECT_EQ(parse_copy(Bytes(c.bytes).substr(0, size), request, consumed, storage),
                FrameStatus::kNeedMore);
    }
    ASSERT_EQ(parse_copy(c.bytes + "more", request, consumed, storage), FrameStatus::kOk);
    EXPECT_EQ(consumed, c.bytes.size());
    EXPECT_EQ(request.kind, c.kind);
    EXPECT_EQ(request.major, c.major);
    EXPECT_EQ(request.minor, c.minor);
    EXPECT_EQ(request.params, c.params);
    EXPECT_EQ(request.cancel_pid, c.pid);
    EXPECT_EQ(request.cancel_key, c.key);
  }
}

// The bytes of a packet, but a length field that says it ends earlier.
TEST(Startup, NeverAcceptsAPacketWhoseLengthCutsItShort) {
  for (const Case& c : cases()) {
    if (c.major == 2 || c.kind == Kind::kCancel || c.params.empty()) continue;
    SCOPED_TRACE(c.name);
    for (std::size_t size = 8; size < c.bytes.size(); ++size) {
      std::string bytes = c.bytes.substr(0, size);
      store_be(bytes.data(), static_cast<std::uint32_t>(size));
      StartupRequest request;
      std::size_t consumed = 0;
      std::vector<char> storage;
      EXPECT_EQ(parse_copy(bytes, request, consumed, storage), FrameStatus::kMalformed) << size;
    }
  }
}

TEST(Startup, RefusesWhatPostgresqlRefuses) {
  const std::pair<const char*, std::string> bad[] = {
      {"length 0", std::string("\0\0\0\0"sv)},
      {"no room for a version", std::string("\0\0\0\7"sv)},
      {"negative length", "\xff\xff\xff\xff"},
      {"one byte above the bound", std::string("\0\0\x27\x15"sv)},
      {"TLS ClientHello", "\x16\x03\x01\x02"},
      {"HTTP", "GET / HTTP/1.1\r\n"},
      {"SSLRequest with bytes inside", packet("\x04\xd2\x16\x2f\0"sv)},
      {"GSSENCRequest with bytes inside", packet("\x04\xd2\x16\x30\0"sv)},
      {"CancelRequest without a key", packet("\x04\xd2\x16\x2e\0\0\0\1"sv)},
      {"CancelRequest with a short key", packet("\x04\xd2\x16\x2e\0\0\0\1key"sv)},
      {"CancelRequest with a key too long", packet("\x04\xd2\x16\x2e\0\0\0\1"s + kLongKey + "k")},
      {"no terminator at all", packet("\0\3\0\0"sv)},
      {"no terminator", packet("\0\3\0\0user\0app\0"sv)},
      {"name without value", packet("\0\3\0\0user\0"sv)},
      {"terminator before the end", packet("\0\3\0\0user\0app\0\0x"sv)},
      {"value without zero", packet("\0\3\0\0user\0app"sv)},
  };
  for (const auto& [name, bytes] : bad) {
    StartupRequest request;
    std::size_t consumed = 0;
    std::vector<char> storage;
    EXPECT_EQ(parse_copy(bytes, request, consumed, storage), FrameStatus::kMalformed) << name;
  }
}

TEST(Startup, AcceptsPostgresqlsLargestPacket) {
  std::string body("\0\3\0\0user\0"sv);
  body.append(kMaxStartupLength - body.size() - 2, 'u').append("\0\0"sv);
  StartupRequest request;
  std::size_t consumed = 0;
  ASSERT_EQ(next_startup(packet(body), request, consumed), FrameStatus::kOk);
  EXPECT_EQ(consumed, 10004U);
}

TEST(Startup, LeavesNothingOfTheRequestBefore) {
  StartupRequest request;
  std::size_t consumed = 0;
  const std::string first = packet("\0\3\0\0user\0app\0\0"sv);
  ASSERT_EQ(next_startup(first, request, consumed), FrameStatus::kOk);
  const std::string second = packet("\0\3\0\0database\0x\0\0"sv);
  ASSERT_EQ(next_startup(second, request, consumed), FrameStatus::kOk);
  EXPECT_EQ(request.param("user"), std::nullopt);
  EXPECT_EQ(request.param("database"), "x");
}

TEST(Startup, OfARepeatedParameterTheLastCounts) {
  StartupRequest request;
  request.params = {{"user", "a"}, {"user", "b"}};
  EXPECT_EQ(request.param("user"), "b");
}

TEST(Startup, TellsProtocolOptionsAndTlsApart) {
  EXPECT_TRUE(is_protocol_option("_pq_.command_compression"));
  EXPECT_FALSE(is_protocol_option("_pq"));
  EXPECT_FALSE(is_protocol_option("search_path"));
  EXPECT_TRUE(begins_with_tls("\x16\x03"));
  EXPECT_FALSE(begins_with_tls(""));
  EXPECT_FALSE(begins_with_tls("\0\0"sv));
}

TEST(Startup, WritesWhatTheManualSays) {
  const auto written = [](auto append, auto... args) {
    std::string out = "x";
    append(out, args...);
    return out.substr(1);
  };
  EXPECT_EQ(written(append_ssl_request), "\0\0\0\x08\x04\xd2\x16\x2f"sv);
  EXPECT_EQ(written(append_gss_request), "\0\0\0\x08\x04\xd2\x16\x30"sv);
  EXPECT_EQ(written(append_cancel_request, 258, "keys"sv), "\0\0\0\x10\x04\xd2\x16\x2e\0\0\1\2keys"sv);
  const std::pair<Bytes, Bytes> params[] = {{"user", "app"}, {"database", "bank\0evil"sv}};
  EXPECT_EQ(written(append_startup, 2, std::span(params)), packet("\0\3\0\2user\0app\0database\0bank\0\0"sv));
}

}  // namespace
}  // namespace howdah::pgwire
