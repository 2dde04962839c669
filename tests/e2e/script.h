// What a client sends, message by message, and where it waits for answers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "drivers/pgwire/frontend.h"
#include "tests/e2e/raw_client.h"

namespace howdah::e2e {

// Built like a sentence: Script().query("BEGIN").parse("s", "SELECT 1").bind("", "s").execute("").sync().
class Script {
 public:
  // Where the client stops sending until `count` messages of the type came.
  struct Step {
    std::string bytes;
    char until = 'Z';
    int count = 1;
  };

  // Query, and the wait for its ReadyForQuery.
  Script& query(Bytes sql) {
    return send([&](auto& out) { pgwire::append_query(out, sql); }).wait();
  }
  // Query without waiting: more follows in the same packet.
  Script& query_more(Bytes sql) {
    return send([&](auto& out) { pgwire::append_query(out, sql); });
  }
  Script& parse(Bytes name, Bytes sql, std::vector<Oid> types = {}) {
    return send([&](auto& out) { pgwire::append_parse(out, name, sql, types); });
  }
  Script& bind(Bytes portal, Bytes statement, std::vector<std::optional<Bytes>> values = {},
               std::vector<std::int16_t> result_formats = {}) {
    return send([&](auto& out) { pgwire::append_bind(out, portal, statement, {}, values, result_formats); });
  }
  Script& describe(char kind, Bytes name) {
    return send([&](auto& out) { pgwire::append_describe(out, kind, name); });
  }
  Script& execute(Bytes portal = "", int max_rows = 0) {
    return send([&](auto& out) { pgwire::append_execute(out, portal, max_rows); });
  }
  Script& close(char kind, Bytes name) {
    return send([&](auto& out) { pgwire::append_close(out, kind, name); });
  }
  // Parse, Bind, Describe and Execute of the unnamed statement.
  Script& run(Bytes sql, std::vector<std::optional<Bytes>> values = {}) {
    return parse("", sql).bind("", "", std::move(values)).describe('P', "").execute();
  }
  Script& sync() { return sync_more().wait(); }
  Script& sync_more() {
    return send([](auto& out) { pgwire::append_sync(out); });
  }
  Script& flush() {
    return send([](auto& out) { pgwire::append_flush(out); });
  }
  Script& copy_data(Bytes data) {
    return send([&](auto& out) { pgwire::append_copy_data(out, data); });
  }
  Script& copy_done() {
    return send([](auto& out) { pgwire::append_copy_done(out); });
  }
  Script& copy_fail(Bytes reason) {
    return send([&](auto& out) { pgwire::append_copy_fail(out, reason); });
  }
  Script& bytes(Bytes raw) {
    return send([&](auto& out) { out += raw; });
  }
  Script& wait(char until = 'Z', int count = 1) {
    steps_.push_back({std::move(pending_), until, count});
    pending_.clear();
    return *this;
  }

  const std::vector<Step>& steps() const { return steps_; }
  const std::string& rest() const { return pending_; }

 private:
  template <class Append>
  Script& send(Append append) {
    append(pending_);
    return *this;
  }

  std::vector<Step> steps_;
  std::string pending_;
};

// How a script's bytes are put on the wire.
enum class Pace {
  kSteps,     // waits where the script says so
  kSplit,     // as kSteps, one write per byte
  kPipeline,  // all bytes in one write, no wait
};

// Plays a script, then a last query by which the end of the answers is known. What was read, including that
// query's answer; when the connection was ended before, a last line says so.
std::vector<std::string> play(RawClient& client, const Script& script, Pace pace);

}  // namespace howdah::e2e
