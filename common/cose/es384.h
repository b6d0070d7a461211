#pragma once
// ES384: ECDSA over P-384 with SHA-384, signatures as COSE writes them (RFC 9053 §2.1). Keys and
// signatures given to VerifyEs384 may be hostile.

#include <memory>

#include "common/base/secret_bytes.h"
#include "common/cose/sign1.h"

struct x509_st;  // OpenSSL's X509

namespace ephemeralml::cose {

/// Errors: kUnauthentic `signature_invalid`, kUnsupported `certificate_key_unsupported`
/// (`public_key` isn't the DER SubjectPublicKeyInfo of a P-384 key).
Done VerifyEs384(ByteSpan public_key, ByteSpan message, const Es384Signature& signature);

/// The same by the key of a certificate, which OpenSSL decoded with it.
Done VerifyEs384(const x509_st* certificate, ByteSpan message, const Es384Signature& signature);

/// A private P-384 key. Development CAs and tests sign with it; Nitro's keys never leave its
/// hardware. Secrets: OpenSSL wipes the key when the last copy goes.
class Es384Key {
 public:
  static Es384Key Generate();
  /// Errors: kMalformed `private_key_malformed`.
  static Result<Es384Key> FromPem(const SecretBytes& pem);

  /// PKCS #8, unencrypted: for a file of mode 0600.
  SecretBytes ToPem() const;
  /// DER SubjectPublicKeyInfo.
  Bytes PublicKey() const;
  Es384Signature Sign(ByteSpan message) const;

 private:
  friend struct Es384KeyAccess;
  struct Impl;
  explicit Es384Key(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

}  // namespace ephemeralml::cose
