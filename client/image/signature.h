#pragma once
// The signature section: a COSE_Sign1 over PCR0, with the certificate whose digest becomes PCR8.
// DecodeSignature's input is hostile.
// Source: aws-nitro-enclaves-image-format, src/utils/eif_signer.rs and src/defs/mod.rs,
// PcrSignature.

#include <string>

#include "client/image/measure.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml::image {

/// Signs `pcr0` as Nitro's own tool does. The certificate may be followed by others; the first
/// counts. Errors: kMalformed `certificate_malformed`, `private_key_malformed`; kInvalidArgument
/// `certificate_key_mismatch` (the certificate isn't for this key).
Result<Bytes> Sign(const cose::Pcr& pcr0, ByteSpan certificate_pem, const SecretBytes& key_pem);

struct SignatureReport {
  Bytes certificate;    ///< DER
  std::string subject;  ///< as RFC 2253 writes it
  std::string expires;  ///< as OpenSSL prints it
};

/// Reads a signature section and verifies it over `pcr0`: what Nitro demands at start but for the
/// certificate's time, which is the launch's.
/// Errors: kMalformed `image_signature_malformed`, `certificate_malformed`; kUnauthentic
/// `signature_invalid`; kUntrusted `image_signature_other_image` (it signs another PCR0); as
/// DecodeSign1 and VerifyEs384.
Result<SignatureReport> VerifySignature(ByteSpan section, const cose::Pcr& pcr0);

/// PCR8 of an image that holds this signature section. Errors: as VerifySignature, of the format
/// alone.
Result<cose::Pcr> MeasureCertificate(ByteSpan section);

}  // namespace ephemeralml::image
