// Names and limits of PostgreSQL's wire protocol, version 3.
// https://www.postgresql.org/docs/15/protocol-message-formats.html
#pragma once

#include <cstdint>

namespace howdah::pgwire {

// The transaction status that ReadyForQuery carries.
enum class TxStatus : char { kIdle = 'I', kInTransaction = 'T', kFailed = 'E' };

// Format codes of parameters and columns. Others do not exist, but travel: PostgreSQL answers them with
// 22023.
inline constexpr std::int16_t kTextFormat = 0;
inline constexpr std::int16_t kBinaryFormat = 1;

// Type bytes of messages that a client sends. 'p' is PasswordMessage, SASLInitialResponse, SASLResponse and
// GSSResponse: which one follows from the authentication request that came before.
namespace fe {
inline constexpr char kBind = 'B';
inline constexpr char kClose = 'C';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyFail = 'f';
inline constexpr char kDescribe = 'D';
inline constexpr char kExecute = 'E';
inline constexpr char kFlush = 'H';
inline constexpr char kFunctionCall = 'F';
inline constexpr char kParse = 'P';
inline constexpr char kPassword = 'p';
inline constexpr char kQuery = 'Q';
inline constexpr char kSync = 'S';
inline constexpr char kTerminate = 'X';
}  // namespace fe

// Type bytes of messages that a server sends.
namespace be {
inline constexpr char kAuthentication = 'R';
inline constexpr char kBackendKeyData = 'K';
inline constexpr char kBindComplete = '2';
inline constexpr char kCloseComplete = '3';
inline constexpr char kCommandComplete = 'C';
inline constexpr char kCopyBothResponse = 'W';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyInResponse = 'G';
inline constexpr char kCopyOutResponse = 'H';
inline constexpr char kDataRow = 'D';
inline constexpr char kEmptyQueryResponse = 'I';
inline constexpr char kErrorResponse = 'E';
inline constexpr char kFunctionCallResponse = 'V';
inline constexpr char kNegotiateProtocolVersion = 'v';
inline constexpr char kNoData = 'n';
inline constexpr char kNoticeResponse = 'N';
inline constexpr char kNotificationResponse = 'A';
inline constexpr char kParameterDescription = 't';
inline constexpr char kParameterStatus = 'S';
inline constexpr char kParseComplete = '1';
inline constexpr char kPortalSuspended = 's';
inline constexpr char kReadyForQuery = 'Z';
inline constexpr char kRowDescription = 'T';
}  // namespace be

// Bounds on a message's length field (which counts itself but not the type byte), as PostgreSQL 15 sets them.
inline constexpr std::uint32_t kMaxAuthLength = 65535;   // before authentication is done
inline constexpr std::uint32_t kMaxSmallLength = 10000;  // messages that hold no more than a name
inline constexpr std::uint32_t kMaxLargeLength =
    0x3fffffff - 1;                                            // one byte less than PostgreSQL can allocate
inline constexpr std::uint32_t kMaxServerLength = 0x7fffffff;  // what a server sends is bounded by int32 only

// The bound that PostgreSQL sets for a client's message of this type; 0 for a type that does not exist, which
// PostgreSQL answers with FATAL 08P01 (so is 'p' once authentication is done). On a length out of bounds it
// sends nothing, and closes.
constexpr std::uint32_t max_frontend_length(char type) {
  switch (type) {
    case fe::kQuery:
    case fe::kFunctionCall:
    case fe::kBind:
    case fe::kParse:
    case fe::kCopyData:
      return kMaxLargeLength;
    case fe::kPassword:
      return kMaxAuthLength;
    case fe::kTerminate:
    case fe::kClose:
    case fe::kDescribe:
    case fe::kExecute:
    case fe::kFlush:
    case fe::kSync:
    case fe::kCopyDone:
    case fe::kCopyFail:
      return kMaxSmallLength;
    default:
      return 0;
  }
}

}  // namespace howdah::pgwire
