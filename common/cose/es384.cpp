#include "common/cose/es384.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "common/cose/es384_impl.h"

namespace ephemeralml::cose {
namespace {

using KeyPointer = Owned<EVP_PKEY, EVP_PKEY_free>;
using BioPointer = Owned<BIO, BIO_free>;
using DigestPointer = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using SignaturePointer = Owned<ECDSA_SIG, ECDSA_SIG_free>;

constexpr int kScalarBytes = 48;

bool IsP384(const EVP_PKEY* key) {
  std::array<char, 32> group = {};
  size_t length = 0;
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
         std::string_view(group.data(), length) == SN_secp384r1;
}

// RFC 5480 §2: SubjectPublicKeyInfo of a key on secp384r1, its point uncompressed. There is one
// encoding of it, so the rest is the point; OpenSSL's general reader takes seven times as long.
constexpr std::array<uint8_t, 23> kPublicKeyHead = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                                    0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                                    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
constexpr size_t kPointBytes = 1 + 2 * kScalarBytes;
constexpr uint8_t kUncompressed = 0x04;

KeyPointer ParsePublicKey(ByteSpan der) {
  if (der.size() != kPublicKeyHead.size() + kPointBytes ||
      !std::ranges::equal(der.first(kPublicKeyHead.size()), kPublicKeyHead) ||
      der[kPublicKeyHead.size()] != kUncompressed) {
    return nullptr;
  }
  Bytes point(der.begin() + kPublicKeyHead.size(), der.end());
  char group[] = SN_secp384r1;
  std::array<OSSL_PARAM, 3> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  CHECK(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  EVP_PKEY* key = nullptr;
  // Refuses a point that isn't on the curve.
  const bool made =
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.data()) == 1;
  ERR_clear_error();
  return KeyPointer(made ? key : nullptr);
}

Bytes ToDer(const Es384Signature& signature) {
  SignaturePointer parts(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(signature.data(), kScalarBytes, nullptr);
  BIGNUM* s = BN_bin2bn(signature.data() + kScalarBytes, kScalarBytes, nullptr);
  CHECK(parts != nullptr && ECDSA_SIG_set0(parts.get(), r, s) == 1);
  uint8_t* encoded = nullptr;
  const int length = i2d_ECDSA_SIG(parts.get(), &encoded);
  CHECK(length > 0);
  Bytes der(encoded, encoded + length);
  OPENSSL_free(encoded);
  return der;
}

Es384Signature FromDer(ByteSpan der) {
  const uint8_t* next = der.data();
  const SignaturePointer parts(d2i_ECDSA_SIG(nullptr, &next, static_cast<long>(der.size())));
  CHECK(parts != nullptr);
  Es384Signature signature;
  CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), signature.data(), kScalarBytes) > 0);
  CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), signature.data() + kScalarBytes, kScalarBytes) >
        0);
  return signature;
}

Done Verify(EVP_PKEY* key, ByteSpan message, const Es384Signature& signature) {
  if (key == nullptr) {
    return Error{Code::kUnsupported, "certificate_key_unsupported",
                 "the key that is to verify a signature isn't a P-384 key"};
  }
  const Bytes der = ToDer(signature);
  const DigestPointer context(EVP_MD_CTX_new());
  CHECK(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, key) == 1);
  const int verdict =
      EVP_DigestVerify(context.get(), der.data(), der.size(), message.data(), message.size());
  ERR_clear_error();
  if (verdict == 1) return {};
  return Error{Code::kUnauthentic, "signature_invalid",
               "the signature doesn't match: the signed bytes were altered, or another key signed"};
}

}  // namespace

Done VerifyEs384(ByteSpan public_key, ByteSpan message, const Es384Signature& signature) {
  return Verify(ParsePublicKey(public_key).get(), message, signature);
}

Done VerifyEs384(const X509* certificate, ByteSpan message, const Es384Signature& signature) {
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  ERR_clear_error();
  return Verify(key != nullptr && IsP384(key) ? key : nullptr, message, signature);
}

Es384Key Es384Key::Generate() {
  KeyPointer key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", SN_secp384r1));
  CHECK(key != nullptr);
  return Es384Key(std::make_shared<Impl>(Impl{std::move(key)}));
}

Result<Es384Key> Es384Key::FromPem(const SecretBytes& pem) {
  const ByteSpan text = pem.Reveal();
  KeyPointer key;
  if (!text.empty()) {
    const BioPointer bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    CHECK(bio != nullptr);
    // The empty passphrase keeps OpenSSL from asking at the terminal should the key be encrypted.
    char passphrase[] = "";
    key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, passphrase));
    ERR_clear_error();
  }
  if (key == nullptr || !IsP384(key.get())) {
    return Error{Code::kMalformed, "private_key_malformed",
                 "not the unencrypted PEM of a private P-384 key"};
  }
  return Es384Key(std::make_shared<Impl>(Impl{std::move(key)}));
}

SecretBytes Es384Key::ToPem() const {
  const BioPointer bio(BIO_new(BIO_s_secmem()));
  CHECK(bio != nullptr);
  CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr,
                                      nullptr) == 1);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  CHECK(length > 0);
  return SecretBytes::CopyOf(AsBytes({text, static_cast<size_t>(length)}));
}

Bytes Es384Key::PublicKey() const {
  uint8_t* encoded = nullptr;
  const int length = i2d_PUBKEY(impl_->key.get(), &encoded);
  CHECK(length > 0);
  Bytes der(encoded, encoded + length);
  OPENSSL_free(encoded);
  return der;
}

Es384Signature Es384Key::Sign(ByteSpan message) const {
  const DigestPointer context(EVP_MD_CTX_new());
  CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, impl_->key.get()) == 1);
  std::array<uint8_t, 128> der;
  size_t length = der.size();
  CHECK(EVP_DigestSign(context.get(), der.data(), &length, message.data(), message.size()) == 1);
  return FromDer(ByteSpan(der).first(length));
}

}  // namespace ephemeralml::cose
