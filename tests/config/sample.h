// A sound configuration that tests change one thing of.
#pragma once

#include <string>
#include <string_view>

namespace howdah::config {

inline constexpr const char* kSample = R"(listen: { address: 127.0.0.1, port: 6432 }
users:
  - { name: app, password: secret }
databases:
  app:
    control: { user: howdah, password: pw }
    shards:
      - { name: s0, primary: "host=127.0.0.1 port=5501", replicas: ["host=127.0.0.1 port=5511"] }
      - { name: s1, primary: "host=127.0.0.1 port=5502" }
    sharding:
      buckets: 4096
      tables:
        users: { hash: id }
        categories: { reference: true }
        settings: { local: s1 }
)";

// kSample with the first `from` replaced.
inline std::string sample_with(std::string_view from, std::string_view to) {
  std::string text = kSample;
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace howdah::config
