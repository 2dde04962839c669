#include "tests/e2e/script.h"

#include <algorithm>

#include "tests/e2e/transcript.h"

namespace howdah::e2e {
namespace {

constexpr Bytes kLastWords = "the last query of the script";

void append(std::vector<Message>& to, std::vector<Message> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// In a failed transaction the last query is an error like any other: its position tells it apart, and a
// ROLLBACK before it makes it a row.
std::string last_query() {
  std::string out;
  pgwire::append_sync(out);
  pgwire::append_query(out, "ROLLBACK");
  pgwire::append_query(out, "SELECT '" + std::string(kLastWords) + "'");
  return out;
}

bool is_last(const Message& message) {
  return message.type == 'D' && message.body.find(kLastWords) != std::string::npos;
}

void read_to_the_end(RawClient& client, std::vector<Message>& seen) {
  while (auto message = client.next()) {
    seen.push_back(std::move(*message));
    if (is_last(seen.back())) break;
  }
  append(seen, client.until('Z'));
}

}  // namespace

std::vector<std::string> play(RawClient& client, const Script& script, Pace pace) {
  std::vector<Message> seen;
  if (pace == Pace::kPipeline) {
    std::string all;
    for (const auto& step : script.steps()) all += step.bytes;
    client.send(all + script.rest() + last_query());
  } else {
    for (const auto& step : script.steps()) {
      pace == Pace::kSplit ? client.send_split(step.bytes) : client.send(step.bytes);
      append(seen, client.until(step.until, step.count));
    }
    pace == Pace::kSplit ? client.send_split(script.rest()) : client.send(script.rest());
    client.send(last_query());
  }
  read_to_the_end(client, seen);
  auto lines = to_lines(seen);
  if (seen.empty() || seen.back().type != 'Z') lines.push_back(client.closed() ? "closed" : "silence");
  return lines;
}

}  // namespace howdah::e2e
