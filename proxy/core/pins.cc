#include "proxy/core/pins.h"

namespace howdah::proxy {

using sharding::sql::PinReason;

namespace {

const char* name_of(PinReason reason) {
  switch (reason) {
    case PinReason::kNone: return "";
    case PinReason::kTemporaryTable: return "temporary table";
    case PinReason::kHoldCursor: return "cursor with hold";
    case PinReason::kAdvisoryLock: return "advisory lock";
    case PinReason::kLoad: return "loaded library";
    case PinReason::kSetConfig: return "set_config";
    case PinReason::kListen: return "listen";
    case PinReason::kUserCode: return "user code";
  }
  return "";
}

}  // namespace

std::string Pins::text() const {
  std::string out;
  for (unsigned i = 1; i < 16; ++i) {
    if ((bits_ >> i & 1u) == 0) continue;
    if (!out.empty()) out += ", ";
    out += name_of(static_cast<PinReason>(i));
  }
  return out;
}

const char* describe(PinReason reason) {
  switch (reason) {
    case PinReason::kTemporaryTable: return "a temporary table";
    case PinReason::kHoldCursor: return "a cursor WITH HOLD";
    case PinReason::kAdvisoryLock: return "an advisory lock of the session";
    case PinReason::kLoad: return "LOAD";
    case PinReason::kSetConfig: return "set_config of a parameter that is not named in the statement";
    case PinReason::kListen: return "pg_listening_channels()";
    case PinReason::kNone:
    case PinReason::kUserCode: break;
  }
  return "session state";
}

}  // namespace howdah::proxy
