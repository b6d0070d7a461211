#include "client/cli/options.h"

#include <cstdlib>
#include <filesystem>

namespace ephemeralml::cli {
namespace {

constexpr int64_t kStoreTimeoutMs = 60'000;

std::string DefaultTokenFile() {
  if (const char* state = std::getenv("XDG_STATE_HOME")) {
    return std::string(state) + "/ephemeralml/host/token";
  }
  const char* home = std::getenv("HOME");
  return home == nullptr ? "token" : std::string(home) + "/.local/state/ephemeralml/host/token";
}

Error Missing(const std::string& what) { return {Code::kInvalidArgument, "option_missing", what}; }

}  // namespace

void UnlockOptions::AddTo(CLI::App& app) {
  CLI::Option* passphrase =
      app.add_option("--passphrase-file", passphrase_file,
                     "File or pipe whose one line opens topology keys; without "
                     "this and --key-file the terminal is asked")
          ->type_name("FILE");
  app.add_option("--key-file", key_file, "Key file that opens topology keys (see `key new`)")
      ->type_name("FILE")
      ->excludes(passphrase);
}

void NewUnlockOptions::AddTo(CLI::App& app) {
  CLI::Option* passphrase =
      app.add_option("--new-passphrase-file", unlock.passphrase_file,
                     "File whose one line is to open the topology key from now on")
          ->type_name("FILE");
  app.add_option("--new-key-file", unlock.key_file,
                 "Key file that is to open the topology key from now on (see `key new`)")
      ->type_name("FILE")
      ->excludes(passphrase);
}

Result<keys::Unlock> UnlockOptions::Get(keys::Unlock::Prompt prompt) const {
  if (!key_file.empty()) return keys::Unlock::FromKeyFile(key_file);
  if (!passphrase_file.empty()) return keys::Unlock::FromPassphraseFile(passphrase_file);
  return keys::Unlock::FromPrompt(prompt);
}

void HostOptions::AddTo(CLI::App& app) {
  app.add_option("--host", host, "Address of the untrusted host")
      ->envname("EPHEMERAL_HOST_ADDRESS")
      ->type_name("HOST:PORT")
      ->capture_default_str();
}

Result<net::Address> HostOptions::Get() const { return net::Address::Parse(host); }

void StoreOptions::AddTo(CLI::App& app) {
  token_file = DefaultTokenFile();
  host.AddTo(app);
  app.add_option("--token-file", token_file, "The host's token, as it wrote it at its first start")
      ->envname("EPHEMERAL_TOKEN_FILE")
      ->type_name("FILE")
      ->capture_default_str();
}

Result<session::BlobStoreAccess> StoreOptions::Get() const {
  TRY(const net::Address address, host.Get());
  return session::BlobStoreAccess{address, token_file, kStoreTimeoutMs};
}

void RootOptions::AddTo(CLI::App& app) {
#ifdef EPHEMERAL_PLATFORM_MOCK
  app.add_option("--root", root, "Certificate of the mock enclave's development CA")
      ->type_name("FILE");
#else
  (void)app;
#endif
}

Result<verify::TrustRoot> RootOptions::Get() const {
  if (root.empty()) return verify::OpenTrustRoot(std::nullopt);
  return verify::OpenTrustRoot(root);
}

void PolicyOptions::AddTo(CLI::App& app) {
  app.add_option("--policy", policy, "Policy: which enclaves may see the model")->type_name("FILE");
  app.add_flag("--trust-on-first-use", trust_on_first_use,
               "Accept a policy with measurements that were only observed on a running enclave");
}

Result<verify::Policy> PolicyOptions::Get() const {
  if (policy.empty()) {
    return Missing(
        "--policy FILE is needed: it says which enclaves may see the model; a mock enclave "
        "prints its own with `ephemeralml-enclave --measure`");
  }
  return verify::Policy::Load(policy, trust_on_first_use ? verify::TrustOnFirstUse::kAllowed
                                                         : verify::TrustOnFirstUse::kAsPlatform);
}

void ConnectionOptions::AddTo(CLI::App& app) {
  host.AddTo(app);
  app.add_option("--enclave-name", enclave_name, "The enclave's name at the host")
      ->envname("EPHEMERAL_ENCLAVE_NAME")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  const auto milliseconds = [&app](const char* flag, int64_t& value, const char* help) {
    app.add_option(flag, value, help)
        ->check(CLI::Range(int64_t{1}, int64_t{86'400'000}))
        ->capture_default_str();
  };
  milliseconds("--timeout", timeout_ms, "Milliseconds that one request may take");
  milliseconds("--setup-timeout", setup_timeout_ms,
               "Milliseconds to reach and verify the enclave in");
}

Result<session::SessionSettings> ConnectionOptions::Get() const {
  session::SessionSettings settings;
  TRY(settings.host, host.Get());
  settings.enclave_name = enclave_name;
  settings.request_timeout_ms = timeout_ms;
  settings.setup_timeout_ms = setup_timeout_ms;
  return settings;
}

void EnclaveOptions::AddTo(CLI::App& app) {
  connection.AddTo(app);
  policy.AddTo(app);
  root.AddTo(app);
}

}  // namespace ephemeralml::cli
