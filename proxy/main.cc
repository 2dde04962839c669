// The proxy's entry point: command line, configuration, signals.
#include <signal.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "proxy/admin/admin.h"
#include "proxy/admin/version.h"
#include "proxy/config/config.h"
#include "proxy/config/reference.h"
#include "proxy/core/proxy.h"
#include "proxy/process_files.h"

namespace {

using namespace howdah;
using proxy::Proxy;

constexpr auto kDrainLimit = std::chrono::seconds(30);

void set_up_log(const config::Logging& logging) {
  std::shared_ptr<spdlog::logger> logger =
      logging.file.empty() ? spdlog::stderr_logger_mt("howdah") : spdlog::basic_logger_mt("howdah", logging.file);
  spdlog::set_default_logger(logger);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n %v");
  spdlog::set_level(spdlog::level::from_str(logging.level));
  spdlog::flush_on(spdlog::level::info);
}

sigset_t signals_of_ours() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  return signals;
}

// SIGINT, or another SIGTERM, while the first one is being obeyed.
bool asked_again() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  const timespec at_once{};
  return sigtimedwait(&signals, nullptr, &at_once) > 0;
}

// Waits for signals until one asks to end: SIGHUP reloads, SIGTERM drains, SIGINT (or a second SIGTERM) ends at once.
void serve_signals(Proxy& proxy, const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGHUP) {
      proxy.reload();
      continue;
    }
    if (signal == SIGINT) return;
    switch (proxy.ending()) {
      case Proxy::Ending::kDrain: return proxy.drain(kDrainLimit, asked_again);
      case Proxy::Ending::kTransactions: return proxy.drain(Duration::zero(), asked_again);
      case Proxy::Ending::kClients: return proxy.await_clients(asked_again);
    }
  }
}

Result<void> start(Proxy& proxy, admin::Admin& admin, const config::Restart& restart, bool take_over) {
  if (take_over) {
    if (auto asked = proxy.takeover().ask(restart.socket); !asked) return asked.error();
  }
  if (auto started = proxy.start(); !started) return started;
  if (auto started = admin.start(); !started) return started;
  // Last: from here on the other process hands its clients over.
  return proxy.takeover().start(restart.socket);
}

int run(config::ConfigPtr config, bool take_over) {
  set_up_log(config->logging);
  signal(SIGPIPE, SIG_IGN);
  const config::Restart restart = config->restart;
  Proxy proxy(std::move(config));
  admin::Admin admin(proxy);
  PidFile pid_file;
  auto started = start(proxy, admin, restart, take_over);
  if (started) started = pid_file.write(restart.pid_file);
  if (!started) {
    const Error& error = started.error();
    spdlog::error("cannot start: {}{}{}", error.message, error.detail.empty() ? "" : "; " + error.detail,
                  error.hint.empty() ? "" : "; hint: " + error.hint);
  } else {
    notify_service_manager("READY=1\nMAINPID=" + std::to_string(getpid()));
    serve_signals(proxy, signals_of_ours());
  }
  proxy.takeover().stop();  // its thread calls the others
  admin.stop();             // its threads ask the workers
  proxy.stop();
  spdlog::info("stopped");
  return started ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  // Before anything else: a signal that comes while the configuration is read waits, and no thread ever takes one.
  const sigset_t signals = signals_of_ours();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  CLI::App app{"Howdah: one endpoint in front of many PostgreSQL servers"};
  app.set_version_flag("--version", std::string("howdah ") + admin::kVersion);
  std::string path;
  bool check = false, reference = false, take_over = false;
  app.add_option("--config,-c", path, "The configuration file (YAML); docs/CONFIG.md lists every key");
  app.add_flag("--check", check, "Check the configuration, print file:line: message per fault, and leave");
  app.add_flag("--takeover", take_over, "Take the listening sockets and the clients of the running process over (restart.socket)");
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
  return run(std::move(loaded.config), take_over);
}
