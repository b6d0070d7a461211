#include "common/cose/certificate.h"

#include <gtest/gtest.h>

namespace ephemeralml::cose {
namespace {

using std::chrono::hours;

CertificateSpec Spec(std::string name) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return {.common_name = std::move(name),
          .not_before = now,
          .not_after = now + hours(1),
          .is_ca = true,
          .path_length = 2,
          .key_usage = "keyCertSign"};
}

TEST(Certificate, FitsTheLimitOfANitroDocument) {
  const Es384Key root_key = Es384Key::Generate();
  const Bytes root = IssueRoot(Spec("root"), root_key);
  const Bytes below =
      IssueCertificate(Spec("below"), Es384Key::Generate().PublicKey(), {root_key, root}).value();
  EXPECT_LT(root.size(), 1024U);
  EXPECT_LT(below.size(), 1024U);
}

TEST(Certificate, RoundTripsAsPem) {
  const Bytes der = IssueRoot(Spec("root"), Es384Key::Generate());
  EXPECT_EQ(CertificateFromPem(AsBytes(CertificateToPem(der))).value(), der);
}

TEST(Certificate, RefusesOtherPem) {
  EXPECT_EQ(CertificateFromPem(AsBytes("nothing")).error().reason, "certificate_malformed");
  EXPECT_EQ(CertificateFromPem({}).error().reason, "certificate_malformed");
}

TEST(Certificate, RefusesAnIssuerOrKeyThatDoesntParse) {
  const Es384Key key = Es384Key::Generate();
  EXPECT_EQ(IssueCertificate(Spec("x"), key.PublicKey(), {key, Bytes(5)}).error().reason,
            "certificate_malformed");
  EXPECT_EQ(
      IssueCertificate(Spec("x"), Bytes(5), {key, IssueRoot(Spec("root"), key)}).error().reason,
      "certificate_malformed");
}

}  // namespace
}  // namespace ephemeralml::cose
