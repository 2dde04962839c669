// A client's byte stream: frames, then each body by its type. What decodes is written back as the same bytes.
#include "drivers/pgwire/frontend.h"

#include <vector>

#include "drivers/pgwire/frame.h"
#include "fuzz/support.h"

namespace {

using namespace howdah;
using namespace howdah::pgwire;

void require_same(const std::string& written, Bytes whole) {
  fuzz::require(written == whole, "what is read is written as the same bytes");
}

std::vector<std::int16_t> list(const FormatCodes& formats) {
  std::vector<std::int16_t> codes;
  for (std::size_t i = 0; i < formats.count; ++i)
    codes.push_back(load_be<std::int16_t>(formats.raw.data() + 2 * i));
  fuzz::require(codes.empty() || formats.of(0) == codes[0], "the first code is the first value's");
  return codes;
}

std::vector<std::optional<Bytes>> list(const Values& values) {
  std::vector<std::optional<Bytes>> result;
  for (const Value value : values) result.push_back(value.null ? std::nullopt : std::optional(value.bytes));
  fuzz::require(result.size() == values.count, "there are as many values as were counted");
  return result;
}

void try_query(const Frame& frame) {
  QueryMessage m;
  if (!decode(frame.body, m)) return;
  std::string out;
  append_query(out, m.sql);
  require_same(out, frame.whole);
}

void try_parse(const Frame& frame) {
  ParseMessage m;
  if (!decode(frame.body, m)) return;
  std::vector<Oid> types;
  for (std::size_t i = 0; i < m.type_count; ++i) types.push_back(m.type(i));
  std::string raw, typed;
  append_parse_raw(raw, m.name, m.query, m.type_count, m.types);
  append_parse(typed, m.name, m.query, types);
  require_same(raw, frame.whole);
  require_same(typed, frame.whole);
}

void try_bind(const Frame& frame) {
  BindMessage m;
  if (!decode(frame.body, m)) return;
  std::string renamed, whole;
  append_bind_renamed(renamed, m.portal, m.statement, m.after_names);
  append_bind(whole, m.portal, m.statement, list(m.formats), list(m.params), list(m.result_formats));
  require_same(renamed, frame.whole);
  require_same(whole, frame.whole);
}

void try_targets(const Frame& frame) {
  std::string out;
  if (DescribeMessage m; frame.type == fe::kDescribe && decode(frame.body, m))
    append_describe(out, m.kind, m.name);
  if (CloseMessage m; frame.type == fe::kClose && decode(frame.body, m)) append_close(out, m.kind, m.name);
  if (ExecuteMessage m; frame.type == fe::kExecute && decode(frame.body, m))
    append_execute(out, m.portal, m.max_rows);
  if (CopyFailMessage m; frame.type == fe::kCopyFail && decode(frame.body, m))
    append_copy_fail(out, m.message);
  if (!out.empty()) require_same(out, frame.whole);
}

void try_password(const Frame& frame) {
  if (PasswordMessage m; decode(frame.body, m)) {
    std::string out;
    append_password(out, m.password);
    require_same(out, frame.whole);
  }
  if (SaslInitialMessage m; decode(frame.body, m)) {
    std::string out;
    append_sasl_initial(out, m.mechanism, m.data);
    require_same(out, frame.whole);
  }
}

void try_body(const Frame& frame) {
  switch (frame.type) {
    case fe::kQuery:
      return try_query(frame);
    case fe::kParse:
      return try_parse(frame);
    case fe::kBind:
      return try_bind(frame);
    case fe::kPassword:
      return try_password(frame);
    case fe::kFunctionCall:
      if (FunctionCallMessage m; decode(frame.body, m)) list(m.arguments);
      return;
    default:
      return try_targets(frame);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in = fuzz::as_bytes(data, size);
  for (Frame frame; next_frame(in, kMaxLargeLength, frame) == FrameStatus::kOk;) {
    Frame ignored;
    fuzz::require(
        next_frame(in.substr(0, frame.whole.size() - 1), kMaxLargeLength, ignored) == FrameStatus::kNeedMore,
        "one byte less is not a message");
    fuzz::require(frame.whole.size() == frame.body.size() + kHeaderSize,
                  "a message is its header and its body");
    try_body(frame);
    in.remove_prefix(frame.whole.size());
  }
  return 0;
}
