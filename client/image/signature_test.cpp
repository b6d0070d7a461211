#include "client/image/signature.h"

#include <gmock/gmock.h>

#include "common/cose/certificate.h"

namespace ephemeralml::image {
namespace {

using std::chrono::hours;

class ImageSignature : public testing::Test {
 protected:
  static Bytes Pem(const cose::Es384Key& key) {
    const cose::Seconds now =
        std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    cose::CertificateSpec spec;
    spec.common_name = "images";
    spec.not_before = now;
    spec.not_after = now + hours(1);
    const std::string pem = cose::CertificateToPem(cose::IssueRoot(spec, key));
    return {pem.begin(), pem.end()};
  }

  std::string_view ReasonOf(ByteSpan section, const cose::Pcr& pcr0) const {
    const auto report = VerifySignature(section, pcr0);
    return report.has_value() ? "" : report.error().reason;
  }

  const cose::Es384Key key_ = cose::Es384Key::Generate();
  const Bytes certificate_ = Pem(key_);
  const cose::Pcr pcr0_ = Measure({AsBytes("an image")});
};

TEST_F(ImageSignature, HoldsForItsImageAlone) {
  const Bytes section = Sign(pcr0_, certificate_, key_.ToPem()).value();
  const SignatureReport report = VerifySignature(section, pcr0_).value();
  EXPECT_EQ(report.certificate, cose::CertificateFromPem(certificate_).value());
  EXPECT_EQ(report.subject, "CN=images,OU=Development,O=EphemeralML");
  EXPECT_EQ(ReasonOf(section, Measure({AsBytes("another")})), "image_signature_other_image");
}

TEST_F(ImageSignature, MeasuresTheCertificateInDer) {
  const Bytes section = Sign(pcr0_, certificate_, key_.ToPem()).value();
  const Bytes der = cose::CertificateFromPem(certificate_).value();
  EXPECT_EQ(MeasureCertificate(section).value(), Measure({ByteSpan(der)}));
}

TEST_F(ImageSignature, IsNotMadeWithAnotherKeyThanTheCertificates) {
  const auto section = Sign(pcr0_, certificate_, cose::Es384Key::Generate().ToPem());
  ASSERT_FALSE(section.has_value());
  EXPECT_EQ(section.error().reason, "certificate_key_mismatch");
}

TEST_F(ImageSignature, FailsCutAnywhereAndWithAnyByteFollowing) {
  Bytes section = Sign(pcr0_, certificate_, key_.ToPem()).value();
  for (size_t length = 0; length < section.size(); ++length) {
    EXPECT_NE(ReasonOf(ByteSpan(section).first(length), pcr0_), "") << length;
  }
  section.push_back(0);
  EXPECT_NE(ReasonOf(section, pcr0_), "");
}

// PEM leaves room around the certificate, and a certificate isn't what this signature covers: PCR8
// is.
TEST_F(ImageSignature, WithABitFlippedFailsOrHasTheSameSignerOrAnotherPcr8) {
  const Bytes section = Sign(pcr0_, certificate_, key_.ToPem()).value();
  const cose::Pcr pcr8 = MeasureCertificate(section).value();
  const size_t signature_field = AsText(section).find("signature");
  size_t accepted = 0;
  for (size_t bit = 0; bit < 8 * section.size(); ++bit) {
    Bytes flipped = section;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
    if (ReasonOf(flipped, pcr0_) != "") continue;
    ++accepted;
    EXPECT_LT(bit / 8, signature_field) << "a flip in the signature";
    if (MeasureCertificate(flipped).value() == pcr8) {
      EXPECT_EQ(VerifySignature(flipped, pcr0_)->certificate,
                cose::CertificateFromPem(certificate_).value());
    }
  }
  EXPECT_LT(accepted, section.size());
}

}  // namespace
}  // namespace ephemeralml::image
