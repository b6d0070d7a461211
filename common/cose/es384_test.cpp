#include "common/cose/es384.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "common/base/owned.h"
#include "common/cose/certificate.h"

namespace ephemeralml::cose {
namespace {

TEST(Es384, RoundTrips) {
  const Es384Key key = Es384Key::Generate();
  for (int i = 0; i < 20; ++i) {  // often enough for an r or s with leading zeros
    const Bytes message(static_cast<size_t>(i), 1);
    EXPECT_TRUE(VerifyEs384(key.PublicKey(), message, key.Sign(message)));
  }
}

TEST(Es384, RefusesEveryBitFlipOfTheSignature) {
  const Es384Key key = Es384Key::Generate();
  const Es384Signature signature = key.Sign(AsBytes("message"));
  for (size_t bit = 0; bit < signature.size() * 8; bit += 5) {
    Es384Signature flipped = signature;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(VerifyEs384(key.PublicKey(), AsBytes("message"), flipped).error().reason,
              "signature_invalid");
  }
}

TEST(Es384, RefusesOtherMessagesKeysAndZeroSignatures) {
  const Es384Key key = Es384Key::Generate();
  const Es384Signature signature = key.Sign(AsBytes("message"));
  const auto reason = [&](const Bytes& public_key, std::string_view message,
                          const Es384Signature& given) {
    return VerifyEs384(public_key, AsBytes(message), given).error().reason;
  };
  EXPECT_EQ(reason(key.PublicKey(), "massage", signature), "signature_invalid");
  EXPECT_EQ(reason(Es384Key::Generate().PublicKey(), "message", signature), "signature_invalid");
  EXPECT_EQ(reason(key.PublicKey(), "message", {}), "signature_invalid");
}

// A P-256 key: 59 bytes of head and two 32-byte coordinates (the curve's base point).
Bytes P256Key() {
  return FromHex(
             "3059301306072a8648ce3d020106082a8648ce3d030107034200"
             "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
             "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
      .value();
}

TEST(Es384, RefusesWhatIsNoP384Key) {
  Bytes trailing = Es384Key::Generate().PublicKey();
  trailing.push_back(0);
  Bytes off_the_curve = Es384Key::Generate().PublicKey();
  off_the_curve.back() ^= 1;
  Bytes cut = Es384Key::Generate().PublicKey();
  cut.pop_back();
  Bytes other_head = Es384Key::Generate().PublicKey();
  other_head[19] = 0x23;  // the last byte of the curve's name: secp521r1
  for (const Bytes& key :
       {P256Key(), trailing, off_the_curve, cut, other_head, Bytes(), Bytes(91)}) {
    EXPECT_EQ(VerifyEs384(key, AsBytes("message"), {}).error().reason,
              "certificate_key_unsupported");
  }
}

TEST(Es384, VerifiesByACertificatesKey) {
  const CertificateSpec spec = {.common_name = "signer",
                                .not_before = Seconds(),
                                .not_after = Seconds(std::chrono::days(1)),
                                .path_length = {},
                                .key_usage = "keyCertSign"};
  const Issuer issuer = [&] {
    const Es384Key key = Es384Key::Generate();
    return Issuer{key, IssueRoot(spec, key)};
  }();
  const auto verify = [&](const Bytes& der, std::string_view message) {
    const uint8_t* next = der.data();
    const Owned<X509, X509_free> certificate(
        d2i_X509(nullptr, &next, static_cast<long>(der.size())));
    CHECK(certificate != nullptr);
    return VerifyEs384(certificate.get(), AsBytes(message), issuer.key.Sign(AsBytes("message")));
  };
  EXPECT_TRUE(verify(issuer.certificate, "message"));
  EXPECT_EQ(verify(issuer.certificate, "massage").error().reason, "signature_invalid");
  const Bytes of_another = IssueCertificate(spec, Es384Key::Generate().PublicKey(), issuer).value();
  EXPECT_EQ(verify(of_another, "message").error().reason, "signature_invalid");
  const Bytes of_p256 = IssueCertificate(spec, P256Key(), issuer).value();
  EXPECT_EQ(verify(of_p256, "message").error().reason, "certificate_key_unsupported");
}

TEST(Es384Key, RoundTripsAsPem) {
  const Es384Key key = Es384Key::Generate();
  const Es384Key again = Es384Key::FromPem(key.ToPem()).value();
  EXPECT_EQ(again.PublicKey(), key.PublicKey());
  EXPECT_TRUE(VerifyEs384(key.PublicKey(), AsBytes("m"), again.Sign(AsBytes("m"))));
}

TEST(Es384Key, RefusesOtherPem) {
  EXPECT_EQ(Es384Key::FromPem(SecretBytes()).error().reason, "private_key_malformed");
  EXPECT_EQ(Es384Key::FromPem(SecretBytes::CopyOf(AsBytes("-----BEGIN X-----"))).error().reason,
            "private_key_malformed");
}

}  // namespace
}  // namespace ephemeralml::cose
