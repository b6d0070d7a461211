#include "client/verify/trust_root.h"
#include "common/base/file.h"
#include "common/cose/certificate.h"

namespace ephemeralml::verify {
namespace {
constexpr size_t kLargestFileBytes = 16 * 1024;
}

Result<TrustRoot> OpenTrustRoot(const std::optional<std::filesystem::path>& file) {
  if (!file.has_value()) {
    return Error{Code::kInvalidArgument, "trust_root_missing",
                 "a mock client needs the development CA's certificate: the file root.pem in the "
                 "enclave's state folder"};
  }
  TRY(const Bytes pem, ReadFile(*file, kLargestFileBytes));
  TRY(const Bytes der, cose::CertificateFromPem(pem));
  return TrustRoot(DigestOf(der), "development CA");
}

std::string_view PlatformName() { return "mock"; }
std::string_view PlatformNotice() { return "MOCK: no hardware protects this"; }
bool AcceptsObservedMeasurements() { return true; }

}  // namespace ephemeralml::verify
