// The proxy's entry point: command line, configuration, signals.
#include <signal.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "proxy/admin/admin.h"
#include "proxy/config/config.h"
#include "proxy/config/reference.h"
#include "proxy/core/proxy.h"

namespace {

using namespace howdah;

constexpr auto kDrainLimit = std::chrono::seconds(30);

void set_up_log(const config::Logging& logging) {
  std::shared_ptr<spdlog::logger> logger =
      logging.file.empty() ? spdlog::stderr_logger_mt("howdah") : spdlog::basic_logger_mt("howdah", logging.file);
  spdlog::set_default_logger(logger);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n %v");
  spdlog::set_level(spdlog::level::from_str(logging.level));
  spdlog::flush_on(spdlog::level::info);
}

// Waits for signals until one asks to end: SIGHUP reloads, SIGTERM drains, SIGINT (or a second SIGTERM) ends at once.
void serve_signals(proxy::Proxy& proxy, const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGHUP) {
      proxy.reload();
      continue;
    }
    if (signal == SIGTERM) proxy.drain(kDrainLimit);
    return;
  }
}

int run(config::ConfigPtr config) {
  set_up_log(config->logging);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread exists, so that none takes them
  signal(SIGPIPE, SIG_IGN);
  proxy::Proxy proxy(std::move(config));
  admin::Admin admin(proxy);
  auto started = proxy.start();
  if (started) started = admin.start();
  if (!started) {
    const Error& error = started.error();
    spdlog::error("cannot start: {}{}{}", error.message, error.detail.empty() ? "" : "; " + error.detail,
                  error.hint.empty() ? "" : "; hint: " + error.hint);
    admin.stop();
    proxy.stop();
    return 1;
  }
  serve_signals(proxy, signals);
  admin.stop();  // its threads ask the workers
  proxy.stop();
  spdlog::info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Howdah: one endpoint in front of many PostgreSQL servers"};
  app.set_version_flag("--version", "howdah 0.1.0");
  std::string path;
  bool check = false, reference = false;
  app.add_option("--config,-c", path, "The configuration file (YAML); docs/CONFIG.md lists every key");
  app.add_flag("--check", check, "Check the configuration, print file:line: message per fault, and leave");
  app.add_flag("--print-config-reference", reference, "Print the list of all configuration keys as Markdown, and leave");
  CLI11_PARSE(app, argc, argv);
  if (reference) {
    std::fputs(config::config_reference_markdown().c_str(), stdout);
    return 0;
  }
  if (path.empty()) {
    std::fputs("howdah: --config FILE is required; --help lists the options\n", stderr);
    return 2;
  }
  auto loaded = config::load_file(path);
  for (const auto& fault : loaded.faults) std::fprintf(stderr, "%s\n", fault.to_string().c_str());
  for (const auto& warning : loaded.warnings) std::fprintf(stderr, "warning: %s\n", warning.to_string().c_str());
  if (!loaded.config) return 1;
  if (check) {
    const auto usable = proxy::AccessControl::check(*loaded.config);
    if (!usable) std::fprintf(stderr, "%s: %s\n", path.c_str(), usable.error().message.c_str());
    return usable ? 0 : 1;
  }
  return run(std::move(loaded.config));
}
