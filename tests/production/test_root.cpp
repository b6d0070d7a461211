// The trust root of the test's client: that of its own signing device, in place of AWS's. Linked
// before client/verify, whose own file of these functions then stays out.

#include "test_root.h"

#include "client/verify/trust_root.h"

namespace ephemeralml::verify {

Result<TrustRoot> OpenTrustRoot(const std::optional<std::filesystem::path>& file) {
  if (file.has_value()) {
    return Error{Code::kInvalidArgument, "trust_root_fixed", "the test's client has one root"};
  }
  TRY(const Bytes certificate, FromHex(kTestRoot));
  return TrustRoot(DigestOf(certificate), "test root");
}

std::string_view PlatformName() { return "production"; }
std::string_view PlatformNotice() { return "TEST ROOT: this evidence proves nothing"; }
bool AcceptsObservedMeasurements() { return false; }

}  // namespace ephemeralml::verify
