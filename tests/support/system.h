#pragma once
// The whole system as real processes: an untrusted host, an enclave, and what a client needs to use
// them. Everything is on loopback, in a folder of its own, and ends with its owner.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/decompose/decompose.h"
#include "client/session/blob_upload.h"
#include "client/session/session.h"
#include "tests/support/process.h"

namespace ephemeralml::testing_support {

/// A model that was decomposed: what the client keeps and what the host stores.
struct SplitModel {
  SecretBytes topology;
  std::string blob_id;
  std::filesystem::path blob;
};

/// Folder of the demonstration's models: EPHEMERAL_MODELS, or build/models.
std::filesystem::path ModelsFolder();

/// A free loopback port (free when this returns).
uint16_t FreePort();

class System {
 public:
  struct Options {
    std::vector<std::string> host_arguments = {};
    std::vector<std::string> enclave_arguments = {};
    std::map<std::string, std::string> enclave_environment = {};
    std::string enclave_program = "ephemeralml-enclave";  ///< a path, or a name among ours
    std::optional<uint16_t> enclave_dialled_at =
        {};  ///< where the host finds "the enclave", if elsewhere
    std::optional<uint16_t> host_fetched_from =
        {};  ///< where the enclave finds "the host", if elsewhere
  };

  System() : System(Options()) {}
  explicit System(const Options& options);

  Process& host() { return *host_; }
  Process& enclave() { return *enclave_; }
  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path HostState() const { return folder() / "host"; }
  uint16_t host_port() const { return host_port_; }
  uint16_t enclave_port() const { return enclave_port_; }

  session::SessionSettings Settings() const;
  session::BlobStoreAccess Store() const;
  /// The policy that names exactly this enclave's measurements.
  verify::Policy Policy() const;
  verify::TrustRoot Root() const;
  Result<session::Session> Connect(verify::Report* report = nullptr) const;

  /// The enclave's own processes, as they are now: its supervisor, fetcher and workers.
  pid_t Fetcher() const;
  std::vector<pid_t> Workers() const;
  /// The worker that gets the next connection: waits until there is one beside those that serve.
  pid_t SpareWorker(const std::vector<pid_t>& serving = {}) const;

  /// Decomposes a model file into this system's folder.
  SplitModel Split(const std::filesystem::path& model,
                   const decompose::DecomposeOptions& options = {}) const;
  void Upload(const SplitModel& model) const;

 private:
  TemporaryFolder folder_;
  std::filesystem::path enclave_program_;
  uint16_t host_port_ = 0;
  uint16_t enclave_port_ = 0;
  std::unique_ptr<Process> host_;
  std::unique_ptr<Process> enclave_;
};

}  // namespace ephemeralml::testing_support
