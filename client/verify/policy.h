#pragma once
// What the client demands of an enclave: which measurements, how fresh. A TOML file that the client
// wrote or was given; described in docs/formats/policy.md.

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client/verify/revocation.h"
#include "client/verify/time.h"
#include "common/cose/attestation_document.h"

namespace ephemeralml::verify {

/// The registers that a policy may name: 0-4 and 8.
inline constexpr std::array<uint8_t, 6> kPolicyPcrs = {0, 1, 2, 3, 4, 8};

/// One acceptable enclave. Every register that it names must match; it names PCR0 or PCR8.
struct MeasurementSet {
  std::string name;
  cose::PcrBank pcrs;
  std::optional<Time> expires;
  bool observed = false;  ///< seen on a running enclave, not computed from an image
};

/// Whether measurements that were only observed may stand in a policy.
enum class TrustOnFirstUse { kAsPlatform, kAllowed };

inline constexpr std::chrono::seconds kDefaultMaxAge = std::chrono::minutes(5);
inline constexpr std::chrono::seconds kDefaultClockSkew = std::chrono::minutes(1);

class Policy {
 public:
  /// Reads TOML. Errors: kMalformed `policy_malformed`; kInvalidArgument `policy_key_unknown`,
  /// `policy_empty` (no measurement set), `policy_constrains_no_code` (a set without a PCR0 or PCR8
  /// that isn't zero), `policy_debug` (a set asks for an all-zero PCR0, 1 or 2); kUntrusted
  /// `policy_observed`; kOverLimit `file_too_large`; kInvalidArgument `policy_names_file` (it names
  /// another file, which only Load looks for).
  static Result<Policy> Parse(std::string_view text, TrustOnFirstUse trust);
  /// As Parse, from a file; files that it names are looked for beside it. Errors: as ReadFile and
  /// RevocationLists::Parse too.
  static Result<Policy> Load(const std::filesystem::path& path, TrustOnFirstUse trust);

  const std::vector<MeasurementSet>& measurements() const { return measurements_; }
  std::chrono::seconds max_age() const { return max_age_; }
  std::chrono::seconds clock_skew() const { return clock_skew_; }
  /// Absent: certificates aren't asked for revocation.
  const std::optional<RevocationLists>& revocation_lists() const { return revocation_lists_; }

  /// The set that `pcrs` meet at `now`.
  /// Errors: kUntrusted `measurement_mismatch`, `measurement_expired` (only expired sets match).
  Result<const MeasurementSet*> Match(const cose::PcrBank& pcrs, Time now) const;

 private:
  Policy() = default;
  static Result<Policy> Read(std::string_view text, TrustOnFirstUse trust,
                             const std::filesystem::path* folder);

  std::vector<MeasurementSet> measurements_;
  std::chrono::seconds max_age_ = kDefaultMaxAge;
  std::chrono::seconds clock_skew_ = kDefaultClockSkew;
  std::optional<RevocationLists> revocation_lists_;
};

/// The set as a `[[measurements]]` table that Parse reads.
std::string ToToml(const MeasurementSet& set);

}  // namespace ephemeralml::verify
