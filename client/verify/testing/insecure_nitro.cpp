#include "client/verify/testing/insecure_nitro.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/base/owned.h"

namespace ephemeralml::verify {
namespace {

using std::chrono::hours;

constexpr std::array<std::string_view, kChainLength> kNames = {"root", "regional", "zonal",
                                                               "instance", "enclave"};
constexpr std::array<int, kChainLength> kLifetimeHours = {24 * 365, 24 * 20, 24 * 6, 24, 3};

cose::CertificateSpec DefaultSpec(ChainPlace place, Time now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  cose::CertificateSpec spec = {.common_name = std::string(kNames[place]),
                                .not_before = seconds - std::chrono::seconds(3),
                                .not_after = seconds + hours(kLifetimeHours[place]),
                                .is_ca = place != kLeaf,
                                .path_length = {},
                                .key_usage = "digitalSignature,keyCertSign,cRLSign"};
  if (place == kLeaf) spec.key_usage = "digitalSignature,nonRepudiation";
  if (place == kInstance) spec.key_usage = "keyCertSign";
  if (place != kRoot && place != kLeaf) spec.path_length = kInstance - place;
  return spec;
}

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;

Key OpenSslKey(const cose::Es384Key& key) {
  const SecretBytes pem = key.ToPem();
  const ByteSpan text = pem.Reveal();
  const Owned<BIO, BIO_free> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

Certificate OpenSslCertificate(const Bytes& der) {
  const uint8_t* next = der.data();
  return Certificate(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
}

Owned<ASN1_TIME, ASN1_TIME_free> OpenSslTime(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return Owned<ASN1_TIME, ASN1_TIME_free>(ASN1_TIME_set(nullptr, seconds));
}

}  // namespace

TrustRoot InsecureTrustRoot::Of(ByteSpan certificate) {
  return TrustRoot(DigestOf(certificate), "test root");
}

InsecureChain::InsecureChain(Time now) {
  for (size_t i = 0; i < kChainLength; ++i) {
    specs[i] = DefaultSpec(static_cast<ChainPlace>(i), now);
    keys.push_back(cose::Es384Key::Generate());
  }
  Make();
}

void InsecureChain::Make() {
  certificates[kRoot] = cose::IssueRoot(specs[kRoot], keys[kRoot]);
  for (size_t i = kRegional; i < kChainLength; ++i) {
    const auto foreign = foreign_keys.find(static_cast<ChainPlace>(i));
    const Bytes key = foreign == foreign_keys.end() ? keys[i].PublicKey() : foreign->second;
    certificates[i] =
        cose::IssueCertificate(specs[i], key, {keys[i - 1], certificates[i - 1]}).value();
  }
}

void InsecureChain::SignWithSha256(ChainPlace place) {
  const Key key = OpenSslKey(keys[place - 1]);
  Bytes& der = certificates[place];
  const Certificate certificate = OpenSslCertificate(der);
  CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  uint8_t* encoded = nullptr;
  const int length = i2d_X509(certificate.get(), &encoded);
  CHECK(length > 0);
  der.assign(encoded, encoded + length);
  OPENSSL_free(encoded);
}

std::vector<Bytes> InsecureChain::Bundle() const {
  return {certificates.begin(), certificates.begin() + kLeaf};
}

std::string InsecureList::ToPem(const InsecureChain& chain, Time now) const {
  const Owned<X509_CRL, X509_CRL_free> list(X509_CRL_new());
  X509_CRL* const crl = list.get();
  const Certificate by = OpenSslCertificate(chain.certificates[issuer]);
  CHECK(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
  CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(by.get())) == 1);
  CHECK(X509_CRL_set1_lastUpdate(crl, OpenSslTime(now - age).get()) == 1);
  if (lifetime.has_value()) {
    CHECK(X509_CRL_set1_nextUpdate(crl, OpenSslTime(now - age + *lifetime).get()) == 1);
  }
  for (const ChainPlace place : revoked) {
    const Certificate certificate = OpenSslCertificate(chain.certificates[place]);
    Owned<X509_REVOKED, X509_REVOKED_free> entry(X509_REVOKED_new());
    CHECK(X509_REVOKED_set_serialNumber(entry.get(), X509_get_serialNumber(certificate.get())) ==
          1);
    CHECK(X509_REVOKED_set_revocationDate(entry.get(), OpenSslTime(now - age).get()) == 1);
    CHECK(X509_CRL_add0_revoked(crl, entry.release()) == 1);
  }
  const Key key = OpenSslKey(chain.keys[issuer]);
  CHECK(X509_CRL_sign(crl, key.get(), is_weak ? EVP_sha256() : EVP_sha384()) > 0);
  const Owned<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509_CRL(bio.get(), crl) == 1);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(length)};
}

InsecureNitro::InsecureNitro(Time at) : now(at), chain(at) {
  expectations.nonce.fill(0x11);
  expectations.exporter.fill(0x22);
  expectations.tls_public_key = Bytes(91, 0x33);
  document.module_id = "i-test-enc0";
  document.timestamp_ms = static_cast<uint64_t>(now.time_since_epoch().count());
  for (uint8_t index = 0; index < 16; ++index) document.pcrs[index] = {};
  for (const uint8_t index : kPolicyPcrs)
    document.pcrs[index].fill(static_cast<uint8_t>(index + 1));
  document.public_key = expectations.tls_public_key;
  document.user_data = Bytes{channel::kUserDataVersion};
  AppendBytes(*document.user_data, expectations.exporter);
  document.nonce = Bytes(expectations.nonce.begin(), expectations.nonce.end());
}

Policy InsecureNitro::MatchingPolicy() const {
  MeasurementSet set = {.name = "test", .pcrs = {}, .expires = {}, .observed = false};
  set.pcrs[0] = document.pcrs.at(0);
  return Policy::Parse(ToToml(set), TrustOnFirstUse::kAsPlatform).value();
}

Bytes InsecureNitro::Evidence(cose::MapForm form) const {
  cose::AttestationDocument signed_document = document;
  signed_document.certificate = chain.Leaf();
  signed_document.cabundle = chain.Bundle();
  const Bytes payload = cose::EncodeDocument(signed_document, form);
  return cose::EncodeSign1(payload, chain.keys[kLeaf].Sign(cose::SignedBytes(payload)),
                           cose::Sign1Form::kUntagged);
}

Result<VerifiedEnclave> InsecureNitro::Verify() const {
  return verify::Verify(Evidence(), MatchingPolicy(), expectations, Root(), now);
}

}  // namespace ephemeralml::verify
