#pragma once
// The client's decision to send a secret: evidence in, VerifiedEnclave out, or the reason why not.
// The evidence is hostile. Everything fails closed, and one report says what each check found.
// Evidence, binding and order of the checks: docs/formats/evidence.md.

#include <optional>

#include "client/verify/policy.h"
#include "client/verify/report.h"
#include "client/verify/trust_root.h"
#include "common/channel/binding.h"

namespace ephemeralml::verify {

/// What only the enclave at the other end of this very connection can have put into its evidence.
struct Expectations {
  channel::Nonce nonce;
  Bytes tls_public_key;  ///< DER SubjectPublicKeyInfo, as the TLS handshake showed it
  channel::ExporterBinding exporter;
};

/// An enclave that met every check, for one connection. Only Examine and Verify make one.
class VerifiedEnclave {
 public:
  /// The connection's key, which the evidence names: a session goes over this key or not at all.
  const Bytes& tls_public_key() const { return tls_public_key_; }
  const std::string& module_id() const { return module_id_; }
  /// The policy's set that it met.
  const std::string& measurements() const { return measurements_; }
  Time timestamp() const { return timestamp_; }

 private:
  friend class Examination;
  VerifiedEnclave() = default;

  Bytes tls_public_key_;
  std::string module_id_;
  std::string measurements_;
  Time timestamp_;
};

/// An authentic document that meets the policy, without a connection: it opens no channel.
struct CheckedDocument {
  std::string module_id;
  std::string measurements;
  Time timestamp;
};

/// An authentic, fresh and bound enclave that no policy was asked about: what `policy pin` records.
struct ObservedEnclave {
  std::string module_id;
  MeasurementSet measurements;
};

template <class T>
struct Outcome {
  Report report;
  Result<T> result;
};

/// Makes every check and says what each found. The result's error is that of the first that failed:
/// those of DecodeSign1, DecodeDocument, VerifyEs384, RequireRoot, VerifyChain and CheckRevocation;
/// kUntrusted
/// `document_too_old`, `document_from_future`, `debug_enclave`, `measurement_missing`,
/// `nonce_mismatch`, `key_mismatch`, `binding_mismatch`, `measurement_mismatch`,
/// `measurement_expired`; kUnsupported `binding_version_unsupported`.
Outcome<VerifiedEnclave> Examine(ByteSpan evidence, const Policy& policy,
                                 const Expectations& expectations, const TrustRoot& root, Time now);

/// Examine without the report.
Result<VerifiedEnclave> Verify(ByteSpan evidence, const Policy& policy,
                               const Expectations& expectations, const TrustRoot& root, Time now);

/// Judges a stored document as of `at`; key and binding can't be checked, and the report says so.
Outcome<CheckedDocument> CheckOffline(ByteSpan evidence, const Policy& policy,
                                      const std::optional<Bytes>& nonce, const TrustRoot& root,
                                      Time at);

/// As Examine, but with no measurements to compare with; age as in a policy that sets none.
Outcome<ObservedEnclave> Observe(ByteSpan evidence, const Expectations& expectations,
                                 const TrustRoot& root, Time now);

}  // namespace ephemeralml::verify
