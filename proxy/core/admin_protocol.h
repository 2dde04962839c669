// The protocol of an admin session: simple queries as they are, and the extended protocol on top of them.
//
// The console only knows strings of commands and answers with the messages of a simple query. Drivers that use Parse,
// Bind, Describe and Execute even for "SHOW POOLS" get the same messages, cut and put in the order they expect:
// Describe runs a SHOW for its RowDescription, Execute runs the command for its rows.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"

namespace howdah::proxy {

// The statements of a string, in order: cut at ';' outside of quotes, without comments and surrounding white space;
// empty ones are left out.
std::vector<std::string> split_commands(std::string_view text);

// A pure machine, one per admin session.
class AdminProtocol {
 public:
  // Takes one message of the client (not Terminate). The answer, when there is one, is a string of commands to run,
  // and nothing else may be taken before on_result().
  std::optional<std::string> on_message(char type, Bytes body);
  // What the commands answered: complete messages, ReadyForQuery last.
  void on_result(std::string messages);
  // Messages for the client so far.
  std::string take_output() { return std::exchange(output_, {}); }

 private:
  enum class Wanted : std::uint8_t { kNothing, kSimple, kStatementDescription, kPortalDescription, kRows };
  struct Portal {
    std::string sql;
    std::vector<std::int16_t> formats;  // of the result, as Bind gave them
    bool ran = false;
    std::string answer;                 // of the console, once it ran
    std::size_t given = 0;              // bytes of `answer` that were handed out
    std::vector<Oid> types;             // of the columns
  };

  std::optional<std::string> parse(Bytes body);
  std::optional<std::string> bind(Bytes body);
  std::optional<std::string> describe(Bytes body);
  std::optional<std::string> execute(Bytes body);
  std::optional<std::string> close(Bytes body);
  std::optional<std::string> fail(const Error& error);
  bool give_description(Bytes answer, const std::vector<std::int16_t>& formats);
  void give_rows(Portal& portal);
  bool give_row(const Portal& portal, const pgwire::DataRow& row);

  std::unordered_map<std::string, std::string> statements_;  // text by name
  std::unordered_map<std::string, Portal> portals_;
  std::string output_;
  Wanted wanted_ = Wanted::kNothing;
  std::string wanted_portal_;
  std::int32_t max_rows_ = 0;
  bool failed_ = false;            // messages are skipped up to Sync
};

}  // namespace howdah::proxy
