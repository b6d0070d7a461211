// ephemeralml-enclave: the supervisor, and under its other names its fetcher and its workers.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>

#include "common/base/log.h"
#include "common/base/settings.h"
#include "common/net/address.h"
#include "common/wire/frame.h"
#include "enclave/attest/attester.h"
#include "enclave/serve/confine.h"
#include "enclave/serve/fetcher.h"
#include "enclave/serve/process.h"
#include "enclave/serve/supervisor.h"
#include "enclave/serve/worker.h"

namespace ephemeralml {
namespace {

#ifdef EPHEMERAL_PLATFORM_MOCK
constexpr bool kBuiltForMock = true;
#else
constexpr bool kBuiltForMock = false;
#endif

constexpr int64_t kLongestConnectionMs = 3'600'000;

struct Options {
  std::string bind = "127.0.0.1";
  uint16_t port = 8082;
  std::string counters;
  std::string listen = kBuiltForMock ? "" : "vsock://any:8082";
  std::string host = kBuiltForMock ? "127.0.0.1:8081" : "vsock://3:8081";
  attest::PlatformSettings platform;
  std::string log = "info";
  bool mock = kBuiltForMock;
  bool measure = false;
  serve::SupervisorSettings supervisor;
};

std::string DefaultStateFolder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"))
    return std::string(state) + "/ephemeralml/enclave";
  if (const char* home = std::getenv("HOME"))
    return std::string(home) + "/.local/state/ephemeralml/enclave";
  return "ephemeralml-enclave-state";
}

void AddOptions(CLI::App& app, Options& options) {
  auto& supervisor = options.supervisor;
  auto& worker = supervisor.worker;
  const auto positive = CLI::Range(int64_t{1}, int64_t{1} << 40);
  if (kBuiltForMock) {
    app.add_option("--bind", options.bind, "Address to listen on")->capture_default_str();
    app.add_option("--port", options.port, "Port to listen on; 0 takes a free one")
        ->envname("EPHEMERAL_ENCLAVE_PORT")
        ->capture_default_str();
  }
  app.add_option("--listen", options.listen,
                 "Where to listen: tcp://HOST:PORT or vsock://any:PORT; beats --bind and --port")
      ->envname("EPHEMERAL_ENCLAVE_LISTEN")
      ->capture_default_str();
  app.add_option("--counters", options.counters,
                 "Where the sums that it counts may be read, as --listen; nowhere by default");
  app.add_option("--host", options.host,
                 "Address of the host's blob store: HOST:PORT, tcp://... or vsock://CID:PORT")
      ->envname("EPHEMERAL_HOST_ADDRESS")
      ->capture_default_str();
  if (kBuiltForMock) {
    app.add_option("--state", options.platform.state, "Folder of the development CA")
        ->envname("EPHEMERAL_STATE")
        ->default_str(DefaultStateFolder());
  }
#ifdef EPHEMERAL_ALLOW_DEBUG
  app.add_flag("--allow-debug", options.platform.allow_debug,
               "Serve in Nitro's debug mode too, in which nothing is protected");
#endif
  app.add_option("--mock-mode", options.mock, "Must agree with what this binary was built for")
      ->envname("EPHEMERAL_MOCK_MODE");
  app.add_option("--log", options.log, "error, warn, info, debug or trace")
      ->envname("EPHEMERAL_LOG")
      ->capture_default_str();
  app.add_option("--threads", worker.threads, "Threads a session computes with")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--sessions", supervisor.session_limit, "Sessions at once; further clients wait")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--queue", supervisor.queue_limit,
                 "Clients that may wait; further ones are told to come back")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--session-memory", worker.session_memory_bytes, "Bytes that a request may use")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--message-limit", worker.message_limit_bytes, "Bytes of the largest request")
      ->check(CLI::Range(uint64_t{1}, uint64_t{wire::kLargestMessageBytes}))
      ->capture_default_str();
  app.add_option("--cache-limit", supervisor.cache_limit_bytes,
                 "Bytes of sealed blobs kept in memory")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--handshake-timeout", worker.handshake_timeout_ms,
                 "Milliseconds to set a session up in")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--idle-timeout", worker.idle_timeout_ms,
                 "Milliseconds that a session may stay idle")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--transfer-timeout", worker.transfer_timeout_ms,
                 "Milliseconds that one message may take")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--request-time", worker.request_time_ms,
                 "Milliseconds that answering one request may take")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--connection-time", worker.connection_time_ms,
                 "Milliseconds that a connection may last; then its client comes with another")
      ->check(CLI::Range(int64_t{1}, kLongestConnectionMs))
      ->capture_default_str();
  app.add_option("--fetch-timeout", supervisor.fetcher.timeout_ms,
                 "Milliseconds that fetching a blob may take")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--drain-timeout", supervisor.drain_timeout_ms,
                 "Milliseconds that sessions get to end in")
      ->check(positive)
      ->capture_default_str();
  app.add_flag("--measure", options.measure,
               "Print this enclave's measurements as a policy, and end");
}

Options DefaultOptions() {
  Options options;
  options.platform.state = DefaultStateFolder();
  options.supervisor.session_limit = 8;
  options.supervisor.cache_limit_bytes = uint64_t{4} << 30;
  options.supervisor.drain_timeout_ms = 30'000;
  options.supervisor.fetcher.timeout_ms = 120'000;
  options.supervisor.worker = {.threads = std::max(1U, std::thread::hardware_concurrency()),
                               .session_memory_bytes = uint64_t{4} << 30,
                               .message_limit_bytes = uint64_t{256} << 20,
                               .handshake_timeout_ms = 10'000,
                               .idle_timeout_ms = 300'000,
                               .transfer_timeout_ms = 60'000,
                               .request_time_ms = 300'000,
                               .connection_time_ms = kLongestConnectionMs};
  return options;
}

Done RunSupervisor(Options& options) {
  TRY(const log::Level level, log::ParseLevel(options.log));
  log::Configure("enclave", level);
  options.supervisor.worker.log_level = level;
  if (options.mock != kBuiltForMock) {
    return Error{Code::kInvalidArgument, "platform_mismatch",
                 "EPHEMERAL_MOCK_MODE doesn't agree with what this binary was built for"};
  }
  TRY(std::unique_ptr<attest::Attester> attester, attest::CreateAttester(options.platform));
  TRY(const net::Address host, net::Address::Parse(options.host));
  options.supervisor.fetcher.host_authority = host.Authority();
  TRY(options.supervisor.fetcher.host, net::Resolve(host));
  net::Address listen{options.bind, options.port};
  if (!options.listen.empty()) {
    TRY(listen, net::Address::Parse(options.listen));
  }
  TRY(UniqueFd listener, net::Listen(listen));
  TRY(const uint32_t port, net::BoundPort(listener.Get()));
  serve::Listeners listeners = {std::move(listener), {}};
  if (!options.counters.empty()) {
    TRY(const net::Address counters, net::Address::Parse(options.counters));
    TRY(listeners.counters, net::Listen(counters));
  }
  log::Info("listening", {{"port", port}});
  return serve::Supervise(options.supervisor, std::move(listeners), std::move(attester));
}

int Report(const Done& done) {
  if (done) return 0;
  std::cerr << "ephemeralml-enclave: " << done.error().what << " [" << done.error().reason << "]\n";
  return 1;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == serve::kWorkerRole) {
    return serve::RunWorker(UniqueFd(serve::kControlDescriptor));
  }
  if (argc == 2 && std::string_view(argv[1]) == serve::kFetcherRole) {
    log::Configure("fetcher", log::Level::kInfo);  // before it is confined
    return serve::RunFetcher(UniqueFd(serve::kControlDescriptor));
  }
  serve::RequireCleanEnvironment(argv);
  Options options = DefaultOptions();
  CLI::App app(
      "Runs confidential inference: opens sealed weights piece by piece, for attested sessions.",
      "ephemeralml-enclave");
  app.set_version_flag("--version", EPHEMERAL_VERSION);
  AddOptions(app, options);
  if (const auto status = ParseSettings(app, "enclave", argc, argv)) return *status;
  if (options.measure) return Report(attest::PrintMeasurements(std::cout));
  // Children inherit the mask, which StartProcess clears again.
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, signal);
  (void)sigprocmask(SIG_BLOCK, &set, nullptr);
  return Report(RunSupervisor(options));
}

}  // namespace
}  // namespace ephemeralml

int main(int argc, char** argv) { return ephemeralml::Main(argc, argv); }
