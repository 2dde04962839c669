#include "drivers/pgwire/startup.h"

#include "drivers/pgwire/message_writer.h"

namespace howdah::pgwire {
namespace {

constexpr std::uint32_t kCancelCode = 80877102;
constexpr std::uint32_t kSslCode = 80877103;
constexpr std::uint32_t kGssCode = 80877104;
constexpr std::size_t kMinCancelKey = 4;
constexpr std::size_t kMaxCancelKey = 256;

// (name value)* terminator, and the terminator is the packet's last byte.
bool read_params(ByteReader& reader, StartupParams& params) {
  for (Bytes name, value; reader.read_cstring(name);) {
    if (name.empty()) return reader.at_end();
    if (!reader.read_cstring(value)) return false;
    params.emplace_back(name, value);
  }
  return false;
}

bool read_cancel(ByteReader& reader, StartupRequest& out) {
  if (!reader.read(out.cancel_pid)) return false;
  out.cancel_key = reader.rest();
  return out.cancel_key.size() >= kMinCancelKey && out.cancel_key.size() <= kMaxCancelKey;
}

bool read_packet(std::uint32_t code, ByteReader& reader, StartupRequest& out) {
  out.params.clear();
  out.cancel_pid = 0;
  out.cancel_key = {};
  out.major = static_cast<int>(code >> 16);
  out.minor = static_cast<int>(code & 0xffff);
  switch (code) {
    case kSslCode:
      out.kind = StartupRequest::kSsl;
      return reader.at_end();
    case kGssCode:
      out.kind = StartupRequest::kGss;
      return reader.at_end();
    case kCancelCode:
      out.kind = StartupRequest::kCancel;
      return read_cancel(reader, out);
    default:
      out.kind = StartupRequest::kStartup;
      return out.major != 3 || read_params(reader, out.params);
  }
}

void append_code(std::string& out, std::uint32_t length, std::uint32_t code) {
  append_be(out, length);
  append_be(out, code);
}

}  // namespace

std::optional<Bytes> StartupRequest::param(Bytes name) const {
  for (auto it = params.rbegin(); it != params.rend(); ++it) {
    if (it->first == name) return it->second;
  }
  return std::nullopt;
}

FrameStatus next_startup(Bytes in, StartupRequest& out, std::size_t& consumed) {
  if (in.size() < 4) return FrameStatus::kNeedMore;
  const auto length = load_be<std::uint32_t>(in.data());
  if (length < 8 || length > 4 + kMaxStartupLength) return FrameStatus::kMalformed;
  if (in.size() < length) return FrameStatus::kNeedMore;
  ByteReader reader(in.substr(8, length - 8));
  if (!read_packet(load_be<std::uint32_t>(in.data() + 4), reader, out)) return FrameStatus::kMalformed;
  consumed = length;
  return FrameStatus::kOk;
}

bool begins_with_cancel(Bytes in) {
  return in.size() >= 8 && load_be<std::uint32_t>(in.data() + 4) == kCancelCode;
}

void append_ssl_request(std::string& out) {
  append_code(out, 8, kSslCode);
}

void append_gss_request(std::string& out) {
  append_code(out, 8, kGssCode);
}

void append_cancel_request(std::string& out, std::int32_t pid, Bytes key) {
  append_code(out, static_cast<std::uint32_t>(12 + key.size()), kCancelCode);
  append_be(out, pid);
  out.append(key);
}

void append_startup(std::string& out, int minor, std::span<const std::pair<Bytes, Bytes>> params) {
  const std::size_t start = out.size();
  append_code(out, 0, (3U << 16) | static_cast<std::uint16_t>(minor));
  for (const auto& [name, value] : params) {
    append_cstring(out, name);
    append_cstring(out, value);
  }
  out.push_back('\0');
  store_be(out.data() + start, static_cast<std::uint32_t>(out.size() - start));
}

}  // namespace howdah::pgwire
