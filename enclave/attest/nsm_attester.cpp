// The production platform's attester: the Nitro Security Module.

#include <unistd.h>

#include "enclave/attest/attester.h"
#include "enclave/attest/nsm_device.h"
#include "enclave/attest/production_start.h"

namespace ephemeralml::attest {
namespace {

class NsmAttester : public Attester {
 public:
  explicit NsmAttester(UniqueFd device)
      : device_(std::move(device)), module_(CallByIoctl(device_.Get())) {}

  Result<Bytes> Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) override {
    return module_.Attest(public_key, nonce, user_data);
  }

  const NsmModule& module() const { return module_; }

 private:
  UniqueFd device_;
  NsmModule module_;
};

}  // namespace

Result<std::unique_ptr<Attester>> CreateAttester(const PlatformSettings& settings) {
  TRY_OK(RequireNoMockSettings(environ));
  TRY_OK(RequireReadOnly("/"));
  TRY(UniqueFd device, OpenNsmDevice());
  auto attester = std::make_unique<NsmAttester>(std::move(device));
  // Before anything else: no key or nonce of ours is older than this.
  TRY(const SecretBytes entropy, GatherEntropy(attester->module()));
  TRY_OK(CreditEntropy(entropy));
  TRY_OK(SecureRegisters(attester->module(),
                         settings.allow_debug ? DebugMode::kAllowed : DebugMode::kRefused));
  return attester;
}

Done PrintMeasurements(std::ostream& /*out*/) {
  return Error{
      Code::kUnsupported, "measurements_unknown",
      "a production enclave's measurements are its image's: the tool that builds the image "
      "prints them"};
}

}  // namespace ephemeralml::attest
