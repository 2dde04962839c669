// Any COPY data can be cut into rows: the same ones whatever the pieces it comes in, and nothing of it is lost or doubled.
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/support.h"
#include "sharding/copy/copy_rows.h"

namespace {

using namespace howdah;
using namespace howdah::sharding;

struct Seen {
  std::string all, keys, fault;
  std::uint64_t line = 0;
  bool operator==(const Seen&) const = default;
};

Seen cut(const CopyFormat& format, Bytes data, std::size_t piece) {
  CopyRows rows(format);
  Seen out;
  CopyRow row;
  const auto take = [&] {
    while (rows.next(row)) {
      out.all.append(row.bytes);
      out.keys.append(row.has_key ? row.key_is_null ? "N" : "=" : "?").append(row.key).push_back('\n');
      fuzz::require(format.kind == CopyKind::kBinary || row.line >= out.line, "lines in order");
      out.line = row.line;
    }
  };
  for (std::size_t at = 0; at < data.size(); at += piece) {
    rows.feed(data.substr(at, piece));
    take();
  }
  rows.finish();
  take();
  fuzz::require(!rows.next(row), "nothing after the end");
  if (rows.fault() != nullptr) out.fault = rows.fault()->message;
  return out;
}

}  // namespace

// The first byte: bits 0-1 the kind, bit 2 header, bit 3 another quote and escape, bits 4-5 the key's position, bit 6 a clock.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  CopyFormat format;
  format.kind = static_cast<CopyKind>((data[0] & 3) % 3);
  format.header = (data[0] & 4) != 0;
  if (format.kind == CopyKind::kCsv) {
    format.delimiter = ',';
    format.null = "";
    if ((data[0] & 8) != 0) format.quote = '\'', format.escape = '\\';
  }
  format.key = data[0] >> 4 & 3;
  if ((data[0] & 64) != 0) format.clocks = {1};
  const Bytes rest = fuzz::as_bytes(data + 1, size - 1);
  const Seen whole = cut(format, rest, rest.size() + 1);
  // What makes no sense in binary is handed on as it comes.
  if (format.kind == CopyKind::kBinary) {
    fuzz::require(whole.all == rest.substr(0, whole.all.size()), "bytes as they came");
    fuzz::require(cut(format, rest, 3).all == whole.all, "the same bytes in pieces");
    return 0;
  }
  fuzz::require(whole.all.size() <= rest.size(), "no bytes made up");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) fuzz::require(cut(format, rest, piece) == whole, "the same rows in pieces");
  return 0;
}
