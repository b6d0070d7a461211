#pragma once
// Issues X.509 certificates over P-384 keys, shaped like Nitro's. For development CAs and tests; a
// production client or enclave issues none.

#include <chrono>
#include <optional>
#include <string>

#include "common/cose/es384.h"

namespace ephemeralml::cose {

using Seconds = std::chrono::sys_seconds;

struct CertificateSpec {
  std::string common_name;
  Seconds not_before;
  Seconds not_after;
  bool is_ca = false;
  std::optional<unsigned> path_length;
  /// As OpenSSL's configuration writes it: `keyCertSign,cRLSign`. Empty: no such extension.
  std::string key_usage;
  /// Where the issuer publishes its certificate revocation list. Empty: no such extension.
  std::string revocation_list_url = {};
};

/// Who signs a certificate: the CA's key, and its certificate in DER.
struct Issuer {
  Es384Key key;
  Bytes certificate;
};

/// A self-signed certificate, in DER, for `key`'s own public key.
Bytes IssueRoot(const CertificateSpec& spec, const Es384Key& key);

/// A certificate, in DER, for `subject_public_key` (DER SubjectPublicKeyInfo).
/// Errors: kMalformed `certificate_malformed` (the issuer's certificate or the key doesn't parse).
Result<Bytes> IssueCertificate(const CertificateSpec& spec, ByteSpan subject_public_key,
                               const Issuer& issuer);

/// A certificate (DER) as PEM, and back. Errors: kMalformed `certificate_malformed`.
std::string CertificateToPem(ByteSpan der);
Result<Bytes> CertificateFromPem(ByteSpan pem);

}  // namespace ephemeralml::cose
