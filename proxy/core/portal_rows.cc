#include "proxy/core/portal_rows.h"

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"

namespace howdah::proxy {

namespace be = pgwire::be;

namespace {

bool next(Bytes messages, pgwire::Header& header) {
  return pgwire::peek_header(messages, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && messages.size() >= header.total;
}

}  // namespace

PortalRows::PortalRows(Bytes answer, std::string& out) {
  for (pgwire::Header header; next(answer, header); answer.remove_prefix(header.total)) {
    const Bytes message = answer.substr(0, header.total);
    if (header.type == be::kDataRow) {
      rows_.append(message);
    } else if (header.type == be::kCommandComplete) {
      tag_ = message.substr(pgwire::kHeaderSize, message.size() - pgwire::kHeaderSize - 1);
    } else {
      out.append(message);
    }
  }
  counts_ = tag_.find(' ') != std::string::npos;  // not EXPLAIN
  if (counts_) tag_.resize(tag_.rfind(' '));
}

void PortalRows::give(std::uint32_t most, std::string& out) {
  std::uint32_t given = 0;
  pgwire::Header header;
  for (Bytes rest = Bytes(rows_).substr(at_); (most == 0 || given < most) && next(rest, header); rest.remove_prefix(header.total)) {
    out.append(rest.substr(0, header.total));
    at_ += header.total;
    ++given;
  }
  if (most > 0 && given == most) return pgwire::append_portal_suspended(out);
  pgwire::append_command_complete(out, counts_ ? tag_ + " " + std::to_string(given) : tag_);
}

}  // namespace howdah::proxy
