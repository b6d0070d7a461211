#include "client/image/signature.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <limits>

#include "common/base/owned.h"
#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"
#include "common/cose/certificate.h"
#include "common/cose/es384.h"

namespace ephemeralml::image {
namespace {

using CertificatePointer = Owned<X509, X509_free>;
using BioPointer = Owned<BIO, BIO_free>;

constexpr std::string_view kCertificateKey = "signing_certificate";
constexpr std::string_view kSignatureKey = "signature";
constexpr std::string_view kIndexKey = "register_index";
constexpr std::string_view kValueKey = "register_value";
constexpr size_t kLargestFieldBytes = 64 * 1024;

Error Malformed(const std::string& what) {
  return {Code::kMalformed, "image_signature_malformed", "the image's signature: " + what};
}

// The format's byte strings are arrays of numbers: what serde makes of a vector of bytes.
void WriteByteArray(cose::CborWriter& writer, ByteSpan bytes) {
  writer.Array(bytes.size());
  for (const uint8_t byte : bytes) writer.Unsigned(byte);
}

Result<Bytes> ReadByteArray(cose::CborReader& reader) {
  TRY(const uint64_t count, reader.ReadDefiniteArray());
  if (count > kLargestFieldBytes) return Malformed("a field is too large");
  Bytes bytes;
  for (uint64_t i = 0; i < count; ++i) {
    TRY(const uint64_t byte, reader.ReadUnsigned());
    if (byte > std::numeric_limits<uint8_t>::max()) return Malformed("a byte is none");
    bytes.push_back(static_cast<uint8_t>(byte));
  }
  return bytes;
}

Bytes SignedRegister(const cose::Pcr& pcr0) {
  cose::CborWriter writer;
  writer.Map(2).Text(kIndexKey).Unsigned(0).Text(kValueKey);
  WriteByteArray(writer, pcr0);
  return writer.Finish();
}

struct Fields {
  Bytes certificate_pem;
  Bytes signature;
};

Result<Fields> Decode(ByteSpan section) {
  cose::CborReader reader(section);
  TRY(const uint64_t count, reader.ReadDefiniteArray());
  if (count != 1) return Malformed("it must sign one register");
  TRY(cose::CborContainer map, reader.ReadMap());
  Fields fields;
  for (;;) {
    TRY(const bool has_next, reader.HasNext(map));
    if (!has_next) break;
    TRY(const std::string_view key, reader.ReadText());
    if (key != kCertificateKey && key != kSignatureKey) return Malformed("an unknown field");
    Bytes& field = key == kCertificateKey ? fields.certificate_pem : fields.signature;
    if (!field.empty()) return Malformed("a field stands there twice");
    TRY(field, ReadByteArray(reader));
  }
  TRY_OK(reader.ExpectEnd());
  if (fields.certificate_pem.empty() || fields.signature.empty()) {
    return Malformed("a field is missing");
  }
  return fields;
}

CertificatePointer Parse(ByteSpan der) {
  const uint8_t* next = der.data();
  CertificatePointer certificate(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
  ERR_clear_error();
  return certificate;
}

Bytes PublicKeyOf(X509* certificate) {
  uint8_t* encoded = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
  CHECK(length > 0);
  Bytes der(encoded, encoded + length);
  OPENSSL_free(encoded);
  return der;
}

template <class Print>
std::string Printed(Print print) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr && print(bio.get()) >= 0);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(length));
}

}  // namespace

Result<Bytes> Sign(const cose::Pcr& pcr0, ByteSpan certificate_pem, const SecretBytes& key_pem) {
  TRY(const Bytes certificate, cose::CertificateFromPem(certificate_pem));
  TRY(const cose::Es384Key key, cose::Es384Key::FromPem(key_pem));
  const CertificatePointer parsed = Parse(certificate);
  CHECK(parsed != nullptr);
  if (PublicKeyOf(parsed.get()) != key.PublicKey()) {
    return Error{Code::kInvalidArgument, "certificate_key_mismatch",
                 "the signing certificate is for another key than the one given"};
  }
  const Bytes payload = SignedRegister(pcr0);
  const Bytes signature =
      cose::EncodeSign1(payload, key.Sign(cose::SignedBytes(payload)), cose::Sign1Form::kUntagged);
  cose::CborWriter writer;
  writer.Array(1).Map(2).Text(kCertificateKey);
  WriteByteArray(writer, certificate_pem);
  writer.Text(kSignatureKey);
  WriteByteArray(writer, signature);
  return writer.Finish();
}

Result<SignatureReport> VerifySignature(ByteSpan section, const cose::Pcr& pcr0) {
  TRY(const Fields fields, Decode(section));
  SignatureReport report;
  TRY(report.certificate, cose::CertificateFromPem(fields.certificate_pem));
  TRY(const cose::Sign1 sign1, cose::DecodeSign1(fields.signature));
  const CertificatePointer parsed = Parse(report.certificate);
  CHECK(parsed != nullptr);
  TRY_OK(cose::VerifyEs384(parsed.get(), cose::SignedBytes(sign1.payload), sign1.signature));
  if (!std::ranges::equal(sign1.payload, SignedRegister(pcr0))) {
    return Error{Code::kUntrusted, "image_signature_other_image",
                 "the image's signature is over another PCR0 than this image's"};
  }
  report.subject = Printed([&](BIO* bio) {
    return X509_NAME_print_ex(bio, X509_get_subject_name(parsed.get()), 0, XN_FLAG_RFC2253);
  });
  report.expires =
      Printed([&](BIO* bio) { return ASN1_TIME_print(bio, X509_get0_notAfter(parsed.get())); });
  return report;
}

Result<cose::Pcr> MeasureCertificate(ByteSpan section) {
  TRY(const Fields fields, Decode(section));
  TRY(const Bytes certificate, cose::CertificateFromPem(fields.certificate_pem));
  return Measure({ByteSpan(certificate)});
}

}  // namespace ephemeralml::image
