// A server's byte stream: frames, then each body by its type. What decodes is written back as the same bytes.
#include "drivers/pgwire/backend.h"

#include <vector>

#include "drivers/pgwire/frame.h"
#include "fuzz/support.h"

namespace {

using namespace howdah;
using namespace howdah::pgwire;

std::vector<std::int16_t> list(const FormatCodes& formats) {
  std::vector<std::int16_t> codes;
  for (std::size_t i = 0; i < formats.count; ++i)
    codes.push_back(load_be<std::int16_t>(formats.raw.data() + 2 * i));
  return codes;
}

void write(std::string& out, char, const ParameterStatus& m) {
  append_parameter_status(out, m.name, m.value);
}
void write(std::string& out, char, const BackendKeyData& m) {
  append_backend_key_data(out, m.pid, m.key);
}
void write(std::string& out, char, const ReadyForQuery& m) {
  append_ready_for_query(out, m.status);
}
void write(std::string& out, char, const Notification& m) {
  append_notification(out, m.pid, m.channel, m.payload);
}

void write(std::string& out, char, const CommandComplete& m) {
  affected_rows(m.tag);
  append_command_complete(out, m.tag);
}

void write(std::string& out, char, const RowDescription& m) {
  std::vector<FieldDescription> fields;
  Bytes rest = m.fields;
  for (FieldDescription field; RowDescription::next(rest, field);) fields.push_back(field);
  fuzz::require(fields.size() == m.count, "there are as many fields as were counted");
  append_row_description(out, fields);
}

void write(std::string& out, char, const DataRow& m) {
  std::vector<std::optional<Bytes>> values;
  for (const Value value : m.values) values.push_back(value.null ? std::nullopt : std::optional(value.bytes));
  append_data_row(out, values);
}

void write(std::string& out, char, const ParameterDescription& m) {
  std::vector<Oid> types;
  for (std::size_t i = 0; i < m.count; ++i) types.push_back(m.type(i));
  append_parameter_description(out, types);
}

void write(std::string& out, char type, const CopyResponse& m) {
  if (type == be::kCopyInResponse) append_copy_in_response(out, m.format, list(m.columns));
  if (type == be::kCopyOutResponse) append_copy_out_response(out, m.format, list(m.columns));
  if (type == be::kCopyBothResponse) append_copy_both_response(out, m.format, list(m.columns));
}

void write(std::string& out, char, const FunctionCallResponse& m) {
  append_function_call_response(out, m.value.null ? std::nullopt : std::optional(m.value.bytes));
}

void write(std::string& out, char, const Authentication& m) {
  switch (m.kind) {
    case AuthKind::kOk:
      return append_authentication_ok(out);
    case AuthKind::kCleartext:
      return append_authentication_cleartext(out);
    case AuthKind::kMd5:
      return append_authentication_md5(out, m.md5_salt());
    case AuthKind::kSaslContinue:
      return append_authentication_sasl_continue(out, m.payload);
    case AuthKind::kSaslFinal:
      return append_authentication_sasl_final(out, m.payload);
    case AuthKind::kSasl:
      m.offers(kScramSha256);
      return;
    default:
      return;  // kinds that we never send
  }
}

template <class Message>
void round_trip(const Frame& frame) {
  Message message;
  if (!decode(frame.body, message)) return;
  std::string out;
  write(out, frame.type, message);
  fuzz::require(out.empty() || out == frame.whole, "what is read is written as the same bytes");
}

// Fields may come in any order and be unknown: writing them once brings them into ours, writing twice changes
// nothing.
void try_error(const Frame& frame) {
  ErrorFields fields;
  if (!decode(frame.body, fields)) return;
  std::string once, twice, moved;
  append_error(once, fields);
  fuzz::require(decode(Bytes(once).substr(kHeaderSize), fields), "what is written can be read");
  append_error(twice, fields);
  fuzz::require(once == twice, "fields are written the same way each time");
  append_with_position(moved, frame.type, frame.body, 0);
  fuzz::require(decode(Bytes(moved).substr(kHeaderSize), fields) && fields.position == 0,
                "a position can go");
}

void try_negotiate(const Frame& frame) {
  NegotiateProtocolVersion m;
  if (!decode(frame.body, m)) return;
  ByteReader reader(m.options);
  Bytes option;
  for (std::int32_t i = 0; i < m.count; ++i)
    fuzz::require(reader.read_cstring(option), "each option is there");
}

void try_body(const Frame& frame) {
  switch (frame.type) {
    case be::kAuthentication:
      return round_trip<Authentication>(frame);
    case be::kBackendKeyData:
      return round_trip<BackendKeyData>(frame);
    case be::kCommandComplete:
      return round_trip<CommandComplete>(frame);
    case be::kCopyBothResponse:
    case be::kCopyInResponse:
    case be::kCopyOutResponse:
      return round_trip<CopyResponse>(frame);
    case be::kDataRow:
      return round_trip<DataRow>(frame);
    case be::kErrorResponse:
    case be::kNoticeResponse:
      return try_error(frame);
    case be::kFunctionCallResponse:
      return round_trip<FunctionCallResponse>(frame);
    case be::kNegotiateProtocolVersion:
      return try_negotiate(frame);
    case be::kNotificationResponse:
      return round_trip<Notification>(frame);
    case be::kParameterDescription:
      return round_trip<ParameterDescription>(frame);
    case be::kParameterStatus:
      return round_trip<ParameterStatus>(frame);
    case be::kReadyForQuery:
      return round_trip<ReadyForQuery>(frame);
    case be::kRowDescription:
      return round_trip<RowDescription>(frame);
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in = fuzz::as_bytes(data, size);
  for (Frame frame; next_frame(in, kMaxServerLength, frame) == FrameStatus::kOk;) {
    try_body(frame);
    in.remove_prefix(frame.whole.size());
  }
  return 0;
}
