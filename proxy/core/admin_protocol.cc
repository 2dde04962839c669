#include "proxy/core/admin_protocol.h"

#include <algorithm>
#include <charconv>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/errors.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;
namespace be = pgwire::be;

namespace {

constexpr Oid kInt8Oid = 20, kInt4Oid = 23, kTextOid = 25;

Error malformed(const char* what) {
  return make_error(ErrorCode::kProtocolViolation, std::string("malformed ") + what + " message");
}

// Cuts the first message off `rest`; false at the end. The console wrote it: it is well-formed.
bool next_message(std::string_view& rest, pgwire::Frame& frame) {
  if (pgwire::next_frame(rest, pgwire::kMaxServerLength, frame) != pgwire::FrameStatus::kOk) return false;
  rest.remove_prefix(frame.whole.size());
  return true;
}

bool is_show(std::string_view sql) {
  constexpr std::string_view kShow = "show";
  if (sql.size() <= kShow.size()) return false;
  for (std::size_t i = 0; i < kShow.size(); ++i) {
    if ((sql[i] | 0x20) != kShow[i]) return false;
  }
  return true;
}

template <class Int>
bool append_binary(std::string& out, Bytes text) {
  Int value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return false;
  append_be(out, value);
  return true;
}

// The binary form of a value; false for types whose binary form is not known here.
bool to_binary(std::string& out, Bytes text, Oid type) {
  switch (type) {
    case kInt4Oid: return append_binary<std::int32_t>(out, text);
    case kInt8Oid: return append_binary<std::int64_t>(out, text);
    case kTextOid: out.append(text); return true;
    default: return false;
  }
}

}  // namespace

std::vector<std::string> split_commands(std::string_view text) {
  std::vector<std::string> commands;
  std::string command;
  const auto finish = [&] {
    const auto first = command.find_first_not_of(" \t\r\n\f\v");
    if (first != std::string::npos) {
      commands.push_back(command.substr(first, command.find_last_not_of(" \t\r\n\f\v") + 1 - first));
    }
    command.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\'' || c == '"') {
      const auto end = std::min(text.find(c, i + 1), text.size() - 1);
      command.append(text.substr(i, end - i + 1));
      i = end;
    } else if (text.substr(i, 2) == "--") {
      i = std::min(text.find('\n', i), text.size());
      command += ' ';
    } else if (text.substr(i, 2) == "/*") {
      const auto end = text.find("*/", i + 2);
      i = end == std::string_view::npos ? text.size() : end + 1;
      command += ' ';
    } else if (c == ';') {
      finish();
    } else {
      command += c;
    }
  }
  finish();
  return commands;
}

std::optional<std::string> AdminProtocol::on_message(char type, Bytes body) {
  if (type == fe::kSync) {
    failed_ = false;
    portals_.clear();  // the console has no transactions: a portal lives until Sync
    pgwire::append_ready_for_query(output_, pgwire::TxStatus::kIdle);
    return {};
  }
  if (failed_) return {};
  switch (type) {
    case fe::kQuery: {
      pgwire::QueryMessage query;
      if (!decode(body, query)) {
        append_error_response(output_, malformed("Query"));
        pgwire::append_ready_for_query(output_, pgwire::TxStatus::kIdle);
        return {};
      }
      wanted_ = Wanted::kSimple;
      return std::string(query.sql);
    }
    case fe::kParse: return parse(body);
    case fe::kBind: return bind(body);
    case fe::kDescribe: return describe(body);
    case fe::kExecute: return execute(body);
    case fe::kClose: return close(body);
    case fe::kFlush:
    case fe::kCopyData:
    case fe::kCopyDone:
    case fe::kCopyFail: return {};
    case fe::kFunctionCall:
      append_error_response(output_, make_error(ErrorCode::kUnsupported, "the admin console has no functions"));
      pgwire::append_ready_for_query(output_, pgwire::TxStatus::kIdle);
      return {};
    default: return fail(make_error(ErrorCode::kProtocolViolation, "unexpected message"));
  }
}

std::optional<std::string> AdminProtocol::fail(const Error& error) {
  append_error_response(output_, error);
  failed_ = true;
  return {};
}

std::optional<std::string> AdminProtocol::parse(Bytes body) {
  pgwire::ParseMessage message;
  if (!decode(body, message)) return fail(malformed("Parse"));
  std::string name(message.name);
  if (!name.empty() && statements_.contains(name)) {
    return fail(make_error(ErrorCode::kDuplicateStatement, "prepared statement \"" + name + "\" already exists"));
  }
  if (!name.empty() && statements_.size() >= 1000) {
    return fail(make_error(ErrorCode::kProgramLimit, "too many prepared statements in one admin session"));
  }
  const auto commands = split_commands(message.query);
  if (commands.size() > 1) {
    return fail(make_error(ErrorCode::kSyntaxError, "cannot insert multiple commands into a prepared statement"));
  }
  statements_[std::move(name)] = commands.empty() ? std::string() : commands.front();
  pgwire::append_parse_complete(output_);
  return {};
}

std::optional<std::string> AdminProtocol::bind(Bytes body) {
  pgwire::BindMessage message;
  if (!decode(body, message)) return fail(malformed("Bind"));
  const auto statement = statements_.find(std::string(message.statement));
  if (statement == statements_.end()) {
    return fail(make_error(ErrorCode::kUnknownStatement,
                           "prepared statement \"" + std::string(message.statement) + "\" does not exist"));
  }
  if (message.params.count != 0) {
    return fail(make_error(ErrorCode::kProtocolViolation, "commands of the admin console take no parameters"));
  }
  std::string name(message.portal);
  if (!name.empty() && portals_.contains(name)) {
    return fail(make_error(ErrorCode::kDuplicateCursor, "cursor \"" + name + "\" already exists"));
  }
  Portal portal;
  portal.sql = statement->second;
  for (std::size_t i = 0; i < message.result_formats.count; ++i) {
    portal.formats.push_back(load_be<std::int16_t>(message.result_formats.raw.data() + 2 * i));
  }
  portals_[std::move(name)] = std::move(portal);
  pgwire::append_bind_complete(output_);
  return {};
}

std::optional<std::string> AdminProtocol::describe(Bytes body) {
  pgwire::DescribeMessage message;
  if (!decode(body, message)) return fail(malformed("Describe"));
  const std::string name(message.name);
  std::string sql;
  if (message.kind == 'S') {
    const auto statement = statements_.find(name);
    if (statement == statements_.end()) {
      return fail(make_error(ErrorCode::kUnknownStatement, "prepared statement \"" + name + "\" does not exist"));
    }
    sql = statement->second;
    if (!is_show(sql)) {
      pgwire::append_parameter_description(output_, {});
      pgwire::append_no_data(output_);
      return {};
    }
    wanted_ = Wanted::kStatementDescription;
    return sql;
  }
  const auto portal = portals_.find(name);
  if (portal == portals_.end()) {
    return fail(make_error(ErrorCode::kUnknownCursor, "portal \"" + name + "\" does not exist"));
  }
  if (!is_show(portal->second.sql)) {
    pgwire::append_no_data(output_);
    return {};
  }
  wanted_ = Wanted::kPortalDescription;
  wanted_portal_ = name;
  return portal->second.sql;
}

std::optional<std::string> AdminProtocol::execute(Bytes body) {
  pgwire::ExecuteMessage message;
  if (!decode(body, message)) return fail(malformed("Execute"));
  const auto portal = portals_.find(std::string(message.portal));
  if (portal == portals_.end()) {
    return fail(make_error(ErrorCode::kUnknownCursor, "portal \"" + std::string(message.portal) + "\" does not exist"));
  }
  wanted_portal_ = portal->first;
  max_rows_ = message.max_rows;
  wanted_ = Wanted::kRows;
  if (!portal->second.ran) return portal->second.sql;
  wanted_ = Wanted::kNothing;
  give_rows(portal->second);
  return {};
}

std::optional<std::string> AdminProtocol::close(Bytes body) {
  pgwire::CloseMessage message;
  if (!decode(body, message)) return fail(malformed("Close"));
  if (message.kind == 'S') {
    statements_.erase(std::string(message.name));
  } else {
    portals_.erase(std::string(message.name));
  }
  pgwire::append_close_complete(output_);
  return {};
}

void AdminProtocol::on_result(std::string messages) {
  const Wanted wanted = std::exchange(wanted_, Wanted::kNothing);
  if (wanted == Wanted::kSimple) {
    output_ += messages;
    return;
  }
  if (wanted == Wanted::kStatementDescription) {
    const std::size_t before = output_.size();
    if (!give_description(messages, {})) return;
    std::string parameters;
    pgwire::append_parameter_description(parameters, {});
    output_.insert(before, parameters);
    return;
  }
  Portal& portal = portals_[wanted_portal_];
  portal.answer = std::move(messages);
  portal.ran = true;
  if (wanted == Wanted::kPortalDescription) {
    give_description(portal.answer, portal.formats);
  } else {
    give_rows(portal);
  }
}

namespace {

std::int16_t format_of(const std::vector<std::int16_t>& formats, std::size_t column) {
  if (formats.empty()) return pgwire::kTextFormat;
  const std::size_t at = formats.size() == 1 ? 0 : column;
  return at < formats.size() ? formats[at] : pgwire::kTextFormat;
}

}  // namespace

// The RowDescription in `answer`, or NoData; false when the command failed, which the client was told.
bool AdminProtocol::give_description(Bytes answer, const std::vector<std::int16_t>& formats) {
  pgwire::Frame frame;
  while (next_message(answer, frame)) {
    if (frame.type == be::kErrorResponse) {
      output_.append(frame.whole);
      failed_ = true;
      return false;
    }
    pgwire::RowDescription description;
    if (frame.type != be::kRowDescription || !decode(frame.body, description)) continue;
    std::vector<pgwire::FieldDescription> fields;
    pgwire::FieldDescription field;
    while (pgwire::RowDescription::next(description.fields, field)) {
      field.format = format_of(formats, fields.size());
      fields.push_back(field);
    }
    pgwire::append_row_description(output_, fields);
    return true;
  }
  pgwire::append_no_data(output_);
  return true;
}

void AdminProtocol::give_rows(Portal& portal) {
  Bytes rest = Bytes(portal.answer).substr(portal.given);
  std::int32_t rows = 0;
  pgwire::Frame frame;
  while (next_message(rest, frame)) {
    pgwire::RowDescription description;
    pgwire::DataRow row;
    if (frame.type == be::kDataRow && max_rows_ > 0 && rows == max_rows_) {
      pgwire::append_portal_suspended(output_);
      return;
    }
    portal.given = portal.answer.size() - rest.size();
    if (frame.type == be::kRowDescription && decode(frame.body, description)) {
      pgwire::FieldDescription field;
      while (pgwire::RowDescription::next(description.fields, field)) portal.types.push_back(field.type);
    } else if (frame.type == be::kDataRow && decode(frame.body, row)) {
      if (!give_row(portal, row)) return;
      ++rows;
    } else if (frame.type == be::kErrorResponse) {
      output_.append(frame.whole);
      failed_ = true;
      return;
    } else if (frame.type != be::kReadyForQuery) {
      output_.append(frame.whole);
    }
  }
}

bool AdminProtocol::give_row(const Portal& portal, const pgwire::DataRow& row) {
  std::vector<std::string> binary(row.values.count);
  std::vector<std::optional<Bytes>> values;
  for (const pgwire::Value value : row.values) {
    const std::size_t column = values.size();
    if (value.null) {
      values.emplace_back();
    } else if (format_of(portal.formats, column) == pgwire::kTextFormat) {
      values.emplace_back(value.bytes);
    } else if (column < portal.types.size() && to_binary(binary[column], value.bytes, portal.types[column])) {
      values.emplace_back(binary[column]);
    } else {
      fail(make_error(ErrorCode::kUnsupported, "the admin console has no binary form of this column",
                      "ask for text, or use the simple query protocol"));
      return false;
    }
  }
  pgwire::append_data_row(output_, values);
  return true;
}

}  // namespace howdah::proxy
