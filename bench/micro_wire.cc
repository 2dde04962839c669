// Framing and relaying: what each message costs before anything is decided about it.
#include <benchmark/benchmark.h>

#include <string>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/pipeline.h"

namespace {

using namespace howdah;

// The reply to `pgbench -S`: RowDescription, one DataRow, CommandComplete, ReadyForQuery.
std::string one_row_reply() {
  std::string out;
  const pgwire::FieldDescription field{.name = "abalance", .table = 16390, .column = 3, .type = 23, .type_size = 4};
  pgwire::append_row_description(out, std::span(&field, 1));
  const std::optional<Bytes> value[] = {Bytes("0")};
  pgwire::append_data_row(out, value);
  pgwire::append_command_complete(out, "SELECT 1");
  pgwire::append_ready_for_query(out, pgwire::TxStatus::kIdle);
  return out;
}

void FrameReply(benchmark::State& state) {
  const std::string reply = one_row_reply();
  pgwire::Pipeline<void*> pipeline;
  for (auto _ : state) {
    pipeline.push({.kind = pgwire::OwedKind::kQuery});
    Bytes in = reply;
    pgwire::Frame frame;
    while (pgwire::next_frame(in, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
      if (pipeline.classify(frame.type) == pgwire::Verdict::kReady) pipeline.pop();
      in.remove_prefix(frame.whole.size());
    }
    benchmark::DoNotOptimize(in);
  }
  state.SetItemsProcessed(state.iterations() * 4);
}
BENCHMARK(FrameReply);

void DecodeAndRenameBind(benchmark::State& state) {
  std::string message, out;
  const std::optional<Bytes> params[] = {Bytes("12345")};
  pgwire::append_bind(message, "", "P_0", {}, params, {});
  for (auto _ : state) {
    pgwire::BindMessage bind;
    pgwire::Frame frame;
    pgwire::next_frame(message, pgwire::kMaxLargeLength, frame);
    benchmark::DoNotOptimize(decode(frame.body, bind));
    out.clear();
    pgwire::append_bind_renamed(out, bind.portal, "howdah_17", bind.after_names);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(DecodeAndRenameBind);

}  // namespace
