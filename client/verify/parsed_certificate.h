#pragma once
// Certificates as OpenSSL has parsed them, and what is remembered of those met before: both cost
// more than everything else about a document but its own signature. Private to this module.

#include <openssl/x509.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "common/base/bytes.h"
#include "common/base/owned.h"

namespace ephemeralml::verify {

/// Threads: any number.
class ParsedCertificate {
 public:
  /// Errors: kMalformed `certificate_malformed` (not exactly one X.509 certificate in DER).
  static Result<std::shared_ptr<const ParsedCertificate>> Parse(ByteSpan der);

  X509* x509() const { return x509_.get(); }
  const Bytes& der() const { return der_; }
  bool HasP384Key() const;

  /// True if `issuer`'s key signed this certificate. A signature that held is remembered, for
  /// exactly these bytes of both: it can't cease to hold. Whether either may be used is for the
  /// caller to ask, every time.
  bool IsSignedBy(const ParsedCertificate& issuer) const;

  /// How many signatures on certificates this process has checked, rather than remembered.
  static uint64_t SignaturesChecked();

 private:
  ParsedCertificate(Bytes der, X509* x509) : der_(std::move(der)), x509_(x509) {}

  Bytes der_;
  Owned<X509, X509_free> x509_;
  mutable std::mutex mutex_;
  mutable Bytes signed_by_;  // the issuer's DER
};

using CertificatePointer = std::shared_ptr<const ParsedCertificate>;

/// The certificates that this process met last, by their exact bytes.
/// Threads: any number.
class CertificateMemory {
 public:
  static CertificateMemory& OfProcess();

  /// Errors: as ParsedCertificate::Parse.
  Result<CertificatePointer> Parse(ByteSpan der);
  bool Knows(ByteSpan der) const;
  /// Drops what needn't be kept: a certificate that has expired.
  void Forget(const CertificatePointer& certificate);
  void ForgetAll();
  size_t size() const;

 private:
  struct Entry {
    CertificatePointer certificate;
    std::list<const Bytes*>::iterator place;
  };

  mutable std::mutex mutex_;
  std::map<Bytes, Entry> entries_;
  std::list<const Bytes*> by_use_;  // keys of `entries_`, the one used last at the front
};

}  // namespace ephemeralml::verify
