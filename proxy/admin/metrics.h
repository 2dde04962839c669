// What /metrics says, gathered when it is asked for.
#pragma once

#include <prometheus/collectable.h>

#include <string>

#include "proxy/admin/snapshot.h"

namespace howdah::admin {

// Collect() blocks while workers answer: see take_snapshot().
class Metrics final : public prometheus::Collectable {
 public:
  explicit Metrics(Proxy& proxy) : proxy_(proxy) {}
  std::vector<prometheus::MetricFamily> Collect() const override;
  // Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/
  std::string text() const;

 private:
  Proxy& proxy_;
};

// metrics_guards.cc: rate limits, blocks, breakers, full queues, repeats.
void add_guards(std::vector<prometheus::MetricFamily>& out, Proxy& proxy, const Snapshot& snapshot);

}  // namespace howdah::admin
