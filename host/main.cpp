// ephemeralml-host: stores weight blobs that it can't read, and forwards bytes to an enclave that
// it can't look into.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/settings.h"
#include "common/net/address.h"
#include "host/proxy/server.h"
#include "host/proxy/token.h"
#include "host/store/blob_store.h"

namespace ephemeralml {
namespace {

namespace fs = std::filesystem;

// Of a connection: its socket, the enclave's or a blob's file, and an upload's look at a taken id.
constexpr rlim_t kDescriptorsPerConnection = 3;
constexpr rlim_t kDescriptorsBesides = 64;

struct Settings {
  uint16_t port = 8081;
  std::string bind = "127.0.0.1";
  std::vector<std::string> listen;
  std::string state;
  std::string token_file;
  std::string enclave = "127.0.0.1:8082";
  std::string enclave_counters;
  std::optional<uint16_t> metrics_port;
  std::string enclave_name = "enclave:8082";
  std::string log = "info";
  store::StoreLimits limits;
  uint32_t connections = 256;
  uint32_t header_limit = 16 * 1024;
  uint32_t header_timeout_ms = 10'000;
  uint32_t idle_timeout_ms = 30'000;
  uint32_t tunnel_idle_timeout_ms = 600'000;
  uint32_t connect_timeout_ms = 5'000;
  uint32_t drain_timeout_ms = 30'000;
};

std::string DefaultState() {
  if (const char* state = std::getenv("XDG_STATE_HOME")) {
    return std::string(state) + "/ephemeralml/host";
  }
  if (const char* home = std::getenv("HOME")) {
    return std::string(home) + "/.local/state/ephemeralml/host";
  }
  return "ephemeralml-host-state";
}

void AddPlaces(CLI::App& app, Settings& settings) {
  app.add_option("--port", settings.port, "Port to listen on; 0 takes a free one")
      ->envname("EPHEMERAL_HOST_PORT");
  app.add_option("--bind", settings.bind, "Address to listen on");
  app.add_option("--listen", settings.listen,
                 "Where to listen instead: tcp://HOST:PORT, vsock://any:PORT; may be repeated")
      ->envname("EPHEMERAL_HOST_LISTEN")
      ->delimiter(',');
  app.add_option("--state", settings.state, "Folder of the blobs and the token")
      ->envname("EPHEMERAL_STATE");
  app.add_option("--token-file", settings.token_file,
                 "File of the token that uploads need, made if missing [STATE/token]")
      ->envname("EPHEMERAL_TOKEN_FILE");
  app.add_option(
         "--enclave", settings.enclave,
         "Address at which the enclave is dialled: HOST:PORT, tcp://... or vsock://CID:PORT")
      ->envname("EPHEMERAL_ENCLAVE_ADDRESS");
  app.add_option("--enclave-name", settings.enclave_name,
                 "The one target that CONNECT may name, as HOST:PORT");
  app.add_option("--metrics-port", settings.metrics_port,
                 "Loopback port of GET /metrics; 0 takes a free one; none by default");
  app.add_option("--enclave-counters", settings.enclave_counters,
                 "Address at which the enclave gives its counters, for /metrics");
  app.add_option("--log", settings.log, "error, warn, info, debug or trace")
      ->envname("EPHEMERAL_LOG");
}

void AddLimits(CLI::App& app, Settings& settings) {
  constexpr uint32_t kDayMs = 86'400'000;
  const auto milliseconds = [&app](const char* flag, uint32_t& value, const char* help) {
    app.add_option(flag, value, help)->check(CLI::Range(1U, kDayMs))->type_name("MILLISECONDS");
  };
  app.add_option("--blob-limit", settings.limits.blob_bytes, "Most bytes in a blob (k, M, G, T)")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE");
  app.add_option("--disk-kept", settings.limits.disk_kept_bytes,
                 "Bytes of disk that uploads leave free")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE");
  app.add_option("--connections", settings.connections, "Most clients at once")
      ->check(CLI::Range(1U, 100'000U));
  app.add_option("--header-limit", settings.header_limit, "Most bytes in a request's header")
      ->check(CLI::Range(1024U, 1U << 20));
  milliseconds("--header-timeout", settings.header_timeout_ms, "For a request's header to arrive");
  milliseconds("--idle-timeout", settings.idle_timeout_ms,
               "Between requests, and for every 128 KiB of a body");
  milliseconds("--tunnel-idle-timeout", settings.tunnel_idle_timeout_ms,
               "For a tunnel without a byte in either direction");
  milliseconds("--connect-timeout", settings.connect_timeout_ms, "For the enclave to answer");
  milliseconds("--drain-timeout", settings.drain_timeout_ms,
               "For requests and tunnels to end after SIGTERM");
}

Result<proxy::ServerSettings> ToServerSettings(const Settings& settings) {
  using std::chrono::milliseconds;
  proxy::ServerSettings server;
  server.listen.clear();
  for (const std::string& text : settings.listen) {
    TRY(server.listen.emplace_back(), net::Address::Parse(text));
  }
  if (server.listen.empty()) server.listen = {{settings.bind, settings.port}};
  TRY(server.enclave, net::Address::Parse(settings.enclave));
  TRY(const auto name, net::Address::Parse(settings.enclave_name));
  server.enclave_name = name.Authority();
  if (!settings.enclave_counters.empty()) {
    TRY(server.enclave_counters, net::Address::Parse(settings.enclave_counters));
  }
  server.metrics_port = settings.metrics_port;
  server.connections = settings.connections;
  server.header_bytes = settings.header_limit;
  server.header_timeout = milliseconds(settings.header_timeout_ms);
  server.idle_timeout = milliseconds(settings.idle_timeout_ms);
  server.tunnel_idle_timeout = milliseconds(settings.tunnel_idle_timeout_ms);
  server.connect_timeout = milliseconds(settings.connect_timeout_ms);
  server.drain_timeout = milliseconds(settings.drain_timeout_ms);
  return server;
}

Done AllowDescriptors(uint32_t connections) {
  const rlim_t wanted = connections * kDescriptorsPerConnection + kDescriptorsBesides;
  struct rlimit limit = {};
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  if (wanted <= limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return Error{Code::kOverLimit, "descriptors_too_few",
               "--connections " + std::to_string(connections) + " needs " + std::to_string(wanted) +
                   " open files; raise `ulimit -n` or lower --connections"};
}

Done Run(const Settings& settings) {
  TRY(const log::Level level, log::ParseLevel(settings.log));
  log::Configure("host", level);
  TRY(proxy::ServerSettings server_settings, ToServerSettings(settings));
  TRY_OK(AllowDescriptors(settings.connections));
  const fs::path state = settings.state;
  TRY(const auto store, store::BlobStore::Open(state, settings.limits));
  const fs::path token_file =
      settings.token_file.empty() ? state / "token" : fs::path(settings.token_file);
  TRY(proxy::Token token, proxy::Token::LoadOrMake(token_file));
  TRY(const auto server,
      proxy::Server::Create(std::move(server_settings), *store, std::move(token)));
  server->EndOnSignals();
  server->Run();
  return {};
}

}  // namespace

int Main(int argc, const char* const* argv) {
  Settings settings;
  settings.state = DefaultState();
  CLI::App app("Stores sealed weight blobs and tunnels clients to the enclave.",
               "ephemeralml-host");
  app.option_defaults()->always_capture_default();
  AddPlaces(app, settings);
  AddLimits(app, settings);
  if (const auto status = ParseSettings(app, "host", argc, argv)) return *status;
  const Done done = Run(settings);
  if (done) return 0;
  std::cerr << "ephemeralml-host: " << done.error().what << " [" << done.error().reason << "]\n";
  return 1;
}

}  // namespace ephemeralml

int main(int argc, char** argv) { return ephemeralml::Main(argc, argv); }
