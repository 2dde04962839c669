// How much a storm of logins holds up running work: the same statements of the same clients, once while the storm is
// aimed at a sink that answers with fixed bytes, once while it is aimed at the proxy. Logins and statements are the
// proxy's only load; everything runs in turn on one machine, so compare the two lines of one run.
//
//   howdah_bench_storm --port 6432 [--rate 2000] [--seconds 10] [--clients 100] [--pause-us 20000] [--rounds 3]
//                      [--sql 'SELECT 1'] [--user app] [--password app] [--database app]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include "tests/support/login_storm.h"

namespace {

using namespace howdah::testing;

struct Round {
  StormResult storm;
  LoadResult load;
};

Round measure(const StormTarget& server, const StormTarget& storm_at, bool real, std::map<std::string, std::string>& options) {
  const auto length = std::chrono::seconds(std::atoi(options["--seconds"].c_str()));
  Round round;
  std::thread storm([&] { round.storm = login_storm(storm_at, std::atof(options["--rate"].c_str()), length + std::chrono::seconds(1), real); });
  round.load = run_load(server, std::atoi(options["--clients"].c_str()), options["--sql"],
                        std::chrono::microseconds(std::atoi(options["--pause-us"].c_str())), length);
  storm.join();
  return round;
}

void print(const char* name, const Round& round) {
  std::printf("%-6s  logins/s %7.0f  failed %llu %s  statements %7zu  errors %llu  p50 %7.3f ms  p95 %7.3f ms  p99 %7.3f ms  max %7.3f ms\n",
              name, round.storm.rate(), static_cast<unsigned long long>(round.storm.failures), round.storm.first_failure.c_str(),
              round.load.milliseconds.size(), static_cast<unsigned long long>(round.load.errors), round.load.percentile(50),
              round.load.percentile(95), round.load.percentile(99), round.load.percentile(100));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options{{"--port", "6432"}, {"--rate", "2000"}, {"--seconds", "10"}, {"--clients", "100"},
                                             {"--pause-us", "20000"}, {"--rounds", "3"}, {"--sql", "SELECT 1"},
                                             {"--user", "app"}, {"--password", "app"}, {"--database", "app"}};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!options.contains(argv[i])) {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
    options[argv[i]] = argv[i + 1];
  }
  StormTarget server{.port = static_cast<std::uint16_t>(std::atoi(options["--port"].c_str())),
                     .user = options["--user"], .password = options["--password"], .database = options["--database"]};
  double worst = 0;
  for (int i = 0; i < std::atoi(options["--rounds"].c_str()); ++i) {
    Round quiet;
    {
      StormSink sink;
      StormTarget aside = server;
      aside.port = sink.port();
      quiet = measure(server, aside, false, options);
    }
    print("sink", quiet);
    const Round stormy = measure(server, server, true, options);
    print("proxy", stormy);
    const double ratio = stormy.load.percentile(99) / std::max(quiet.load.percentile(99), 0.001);
    std::printf("p99 ratio %.2f\n", ratio);
    worst = std::max(worst, ratio);
  }
  std::printf("worst p99 ratio %.2f\n", worst);
  return 0;
}
