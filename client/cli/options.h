#pragma once
// Options that several subcommands share, and what they stand for.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "client/keys/unlock.h"
#include "client/session/blob_upload.h"
#include "client/session/session.h"

namespace ephemeralml::cli {

/// How a topology key on disk is opened: a passphrase file, a key file, or (neither given) a
/// prompt.
struct UnlockOptions {
  std::string passphrase_file;
  std::string key_file;

  void AddTo(CLI::App& app);
  Result<keys::Unlock> Get(keys::Unlock::Prompt prompt) const;
};

/// What is to open a topology key from now on; as UnlockOptions, with `new` in the names.
struct NewUnlockOptions {
  UnlockOptions unlock;

  void AddTo(CLI::App& app);
  bool AreGiven() const { return !unlock.passphrase_file.empty() || !unlock.key_file.empty(); }
  Result<keys::Unlock> Get() const { return unlock.Get(keys::Unlock::Prompt::kTwice); }
};

/// Where the host's HTTP port is.
struct HostOptions {
  std::string host = "127.0.0.1:8081";

  void AddTo(CLI::App& app);
  Result<net::Address> Get() const;
};

/// What is needed to write to the host's store.
struct StoreOptions {
  HostOptions host;
  std::string token_file;

  void AddTo(CLI::App& app);
  Result<session::BlobStoreAccess> Get() const;
};

/// Which root signs evidence.
struct RootOptions {
  std::string root;

  void AddTo(CLI::App& app);
  Result<verify::TrustRoot> Get() const;
};

/// Which enclaves are trusted.
struct PolicyOptions {
  std::string policy;
  bool trust_on_first_use = false;

  void AddTo(CLI::App& app);
  /// Errors: kInvalidArgument `option_missing` (no policy is no policy that accepts anything); as
  /// Policy::Load.
  Result<verify::Policy> Get() const;
};

/// What is needed to reach an enclave.
struct ConnectionOptions {
  HostOptions host;
  std::string enclave_name = "enclave:8082";
  int64_t timeout_ms = 300'000;
  int64_t setup_timeout_ms = 20'000;

  void AddTo(CLI::App& app);
  Result<session::SessionSettings> Get() const;
};

/// What is needed to reach and judge an enclave.
struct EnclaveOptions {
  ConnectionOptions connection;
  PolicyOptions policy;
  RootOptions root;

  void AddTo(CLI::App& app);
};

}  // namespace ephemeralml::cli
