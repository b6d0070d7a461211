#include "common/cose/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>

#include "common/cose/es384_impl.h"

namespace ephemeralml::cose {
namespace {

using CertificatePointer = Owned<X509, X509_free>;
using KeyPointer = Owned<EVP_PKEY, EVP_PKEY_free>;
using NamePointer = Owned<X509_NAME, X509_NAME_free>;
using BioPointer = Owned<BIO, BIO_free>;
using ExtensionPointer = Owned<X509_EXTENSION, X509_EXTENSION_free>;

constexpr size_t kSerialBytes = 16;

Error Malformed(const char* what) { return {Code::kMalformed, "certificate_malformed", what}; }

CertificatePointer Parse(ByteSpan der) {
  const uint8_t* next = der.data();
  CertificatePointer certificate(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
  ERR_clear_error();
  if (certificate != nullptr && next != der.data() + der.size()) certificate.reset();
  return certificate;
}

Bytes ToDer(X509* certificate) {
  uint8_t* encoded = nullptr;
  const int length = i2d_X509(certificate, &encoded);
  CHECK(length > 0);
  Bytes der(encoded, encoded + length);
  OPENSSL_free(encoded);
  return der;
}

NamePointer MakeName(const std::string& common_name) {
  NamePointer name(X509_NAME_new());
  const auto add = [&](const char* field, const std::string& value) {
    CHECK(X509_NAME_add_entry_by_txt(name.get(), field, MBSTRING_ASC,
                                     reinterpret_cast<const uint8_t*>(value.data()),
                                     static_cast<int>(value.size()), -1, 0) == 1);
  };
  add("O", "EphemeralML");
  add("OU", "Development");
  add("CN", common_name);
  return name;
}

void SetRandomSerial(X509* certificate) {
  std::array<uint8_t, kSerialBytes> serial;
  CHECK(RAND_bytes(serial.data(), serial.size()) == 1);
  serial[0] = static_cast<uint8_t>((serial[0] & 0x3f) | 0x40);  // positive, and never shorter
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPointer extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

// Nitro's own way: authorities carry key identifiers, the signing certificate doesn't.
void AddExtensions(const CertificateSpec& spec, X509* certificate, X509* issuer) {
  std::string constraints = spec.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
  if (spec.path_length.has_value()) constraints += ",pathlen:" + std::to_string(*spec.path_length);
  AddExtension(certificate, issuer, NID_basic_constraints, constraints);
  if (!spec.key_usage.empty()) {
    AddExtension(certificate, issuer, NID_key_usage, "critical," + spec.key_usage);
  }
  if (!spec.revocation_list_url.empty()) {
    AddExtension(certificate, issuer, NID_crl_distribution_points,
                 "URI:" + spec.revocation_list_url);
  }
  if (!spec.is_ca) return;
  AddExtension(certificate, issuer, NID_subject_key_identifier, "hash");
  if (issuer != certificate) {
    AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid");
  }
}

// `issuer` null: self-signed.
Bytes Issue(const CertificateSpec& spec, EVP_PKEY* subject_key, X509* issuer,
            EVP_PKEY* issuer_key) {
  const CertificatePointer certificate(X509_new());
  X509* const x509 = certificate.get();
  const NamePointer name = MakeName(spec.common_name);
  CHECK(X509_set_version(x509, X509_VERSION_3) == 1);
  SetRandomSerial(x509);
  CHECK(X509_set_subject_name(x509, name.get()) == 1);
  CHECK(X509_set_issuer_name(x509,
                             issuer == nullptr ? name.get() : X509_get_subject_name(issuer)) == 1);
  CHECK(ASN1_TIME_set(X509_getm_notBefore(x509), spec.not_before.time_since_epoch().count()));
  CHECK(ASN1_TIME_set(X509_getm_notAfter(x509), spec.not_after.time_since_epoch().count()));
  CHECK(X509_set_pubkey(x509, subject_key) == 1);
  AddExtensions(spec, x509, issuer == nullptr ? x509 : issuer);
  CHECK(X509_sign(x509, issuer_key, EVP_sha384()) > 0);
  return ToDer(x509);
}

}  // namespace

Bytes IssueRoot(const CertificateSpec& spec, const Es384Key& key) {
  EVP_PKEY* const raw = Es384KeyAccess::Get(key);
  return Issue(spec, raw, nullptr, raw);
}

Result<Bytes> IssueCertificate(const CertificateSpec& spec, ByteSpan subject_public_key,
                               const Issuer& issuer) {
  const CertificatePointer issuer_certificate = Parse(issuer.certificate);
  const uint8_t* next = subject_public_key.data();
  const KeyPointer subject(
      d2i_PUBKEY(nullptr, &next, static_cast<long>(subject_public_key.size())));
  ERR_clear_error();
  if (issuer_certificate == nullptr || subject == nullptr) {
    return Malformed("the issuer's certificate or the subject's key doesn't parse");
  }
  return Issue(spec, subject.get(), issuer_certificate.get(), Es384KeyAccess::Get(issuer.key));
}

std::string CertificateToPem(ByteSpan der) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr && PEM_write_bio(bio.get(), PEM_STRING_X509, "", der.data(),
                                        static_cast<long>(der.size())) > 0);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(length));
}

Result<Bytes> CertificateFromPem(ByteSpan pem) {
  if (pem.empty()) return Malformed("an empty file is no certificate");
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(bio != nullptr);
  char passphrase[] = "";
  const CertificatePointer certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, passphrase));
  ERR_clear_error();
  if (certificate == nullptr) return Malformed("not a certificate in PEM");
  return ToDer(certificate.get());
}

}  // namespace ephemeralml::cose
