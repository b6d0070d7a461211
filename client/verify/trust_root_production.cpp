#include "client/verify/aws_nitro_root.h"
#include "client/verify/trust_root.h"

namespace ephemeralml::verify {

Result<TrustRoot> OpenTrustRoot(const std::optional<std::filesystem::path>& file) {
  if (file.has_value()) {
    return Error{Code::kInvalidArgument, "trust_root_fixed",
                 "a production client trusts the AWS Nitro root alone; leave the root file out"};
  }
  return TrustRoot(kAwsNitroRootG1, "AWS Nitro Enclaves root G1");
}

std::string_view PlatformName() { return "production"; }
std::string_view PlatformNotice() { return ""; }
bool AcceptsObservedMeasurements() { return false; }

}  // namespace ephemeralml::verify
