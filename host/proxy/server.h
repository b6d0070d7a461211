#pragma once
// The host's one HTTP port: weight blobs, the tunnel to the enclave, and whether we are well. Every
// byte that arrives is hostile, the enclave's included. The API: docs/host.md.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/address.h"
#include "host/proxy/token.h"
#include "host/store/blob_store.h"

namespace ephemeralml::proxy {

struct ServerSettings {
  /// One or more, all alike; TCP port 0 takes a free one.
  std::vector<net::Address> listen{{"127.0.0.1", 8081}};
  net::Address enclave{"127.0.0.1", 8082};
  /// The one target that CONNECT may name; where it is dialled is `enclave`.
  std::string enclave_name = "enclave:8082";
  /// Where the enclave gives its counters; absent: it isn't asked.
  std::optional<net::Address> enclave_counters = {};
  /// The loopback port of GET /metrics; 0 takes a free one; absent: there is none.
  std::optional<uint16_t> metrics_port = {};
  uint32_t connections = 256;
  uint32_t header_bytes = 16 * 1024;
  /// From the first byte of a request (or the connection's start) to the end of its header.
  std::chrono::milliseconds header_timeout{10'000};
  /// Between requests; and for every 128 KiB of a body, which makes it the least speed.
  std::chrono::milliseconds idle_timeout{30'000};
  /// Without a byte in either direction.
  std::chrono::milliseconds tunnel_idle_timeout{600'000};
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds drain_timeout{30'000};
};

class Server {
 public:
  /// Listens. The store must outlive the server. Errors: kIo `listen_failed`.
  static Result<std::unique_ptr<Server>> Create(ServerSettings settings, store::BlobStore& store,
                                                Token token);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The first address' port.
  uint32_t port() const;

  /// The port of GET /metrics, which the settings must have asked for.
  uint32_t metrics_port() const;

  /// The first SIGTERM or SIGINT drains, the second stops. Called before Run.
  void EndOnSignals();

  /// Serves until it was drained or stopped.
  void Run();

  /// Tells /readyz, takes no new uploads and tunnels, and stops when what is under way has ended or
  /// the drain timeout is over. Threads: any.
  void Drain();

  /// Cuts everything. Threads: any.
  void Stop();

 private:
  struct Implementation;
  explicit Server(std::unique_ptr<Implementation> implementation);

  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ephemeralml::proxy
