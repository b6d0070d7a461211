#pragma once
// The one certificate that a client build trusts: the AWS Nitro root in production, the development
// CA of a mock enclave in mock mode; which of the two is decided when the client is built, by the
// source file that CMake chooses.

#include <filesystem>
#include <optional>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/strong.h"

namespace ephemeralml::verify {

/// SHA-256 of a root certificate's DER.
struct RootDigest : FixedBytes<struct RootDigestTag, 32> {};

class TrustRoot {
 public:
  const RootDigest& digest() const { return digest_; }
  /// What reports call it.
  std::string_view name() const { return name_; }

 private:
  friend Result<TrustRoot> OpenTrustRoot(const std::optional<std::filesystem::path>& file);
  friend struct InsecureTrustRoot;  // testing/
  TrustRoot(const RootDigest& digest, std::string_view name) : digest_(digest), name_(name) {}

  RootDigest digest_;
  std::string_view name_;
};

/// This build's root. Mock: `file` holds the development CA's certificate in PEM, and must be
/// given. Production: the root is pinned, and no file may be given. Errors: kInvalidArgument
/// `trust_root_missing`, `trust_root_fixed`; kMalformed `certificate_malformed`; as ReadFile.
Result<TrustRoot> OpenTrustRoot(const std::optional<std::filesystem::path>& file);

/// SHA-256 of a certificate's DER.
RootDigest DigestOf(ByteSpan certificate);

/// `mock` or `production`.
std::string_view PlatformName();

/// What every mock verdict must say; empty in production.
std::string_view PlatformNotice();

/// True if measurements that were merely seen once, on a running enclave, may stand in a policy
/// without the user's saying so.
bool AcceptsObservedMeasurements();

}  // namespace ephemeralml::verify
