#pragma once
// The development CA: the root that a mock client trusts in place of AWS's. Made at an enclave's
// first start in its state folder; whoever reads its key there can forge mock evidence.

#include <filesystem>

#include "common/cose/certificate.h"

namespace ephemeralml::attest {

/// Holds the CA's private key and certificate, mode 0600. Never overwritten.
inline constexpr const char* kDevelopmentCaFile = "development-ca.pem";
/// Holds the certificate alone, mode 0644: what clients are given.
inline constexpr const char* kRootFile = "root.pem";

/// Opens the folder's CA, making folder and CA if there is none, and sees to it that root.pem is
/// its certificate. Errors: kUntrusted `development_ca_exposed` (others may read the key),
/// kMalformed `development_ca_malformed`, kIo `file_unwritable`, `file_unreadable`.
Result<cose::Issuer> OpenDevelopmentCa(const std::filesystem::path& folder, cose::Seconds now);

}  // namespace ephemeralml::attest
