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

/// What is needed to reach and judge an enclave.
struct EnclaveOptions {
  HostOptions host;
  std::string enclave_name = "enclave:8082";
  std::string policy;
  std::string root;
  int64_t timeout_ms = 300'000;

  void AddTo(CLI::App& app);
  Result<session::SessionSettings> Settings() const;
  Result<verify::Policy> Policy() const;
  Result<verify::TrustRoot> Root() const;
};

}  // namespace ephemeralml::cli
