#include "client/verify/trust_root.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "client/verify/testing/insecure_nitro.h"
#include "common/base/file.h"

namespace ephemeralml::verify {
namespace {

#ifdef EPHEMERAL_PLATFORM_PRODUCTION

TEST(TrustRoot, IsAwsAlone) {
  const TrustRoot root = OpenTrustRoot(std::nullopt).value();
  EXPECT_EQ(ToHex(root.digest()),
            "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
  EXPECT_EQ(OpenTrustRoot("root.pem").error().reason, "trust_root_fixed");
  EXPECT_FALSE(AcceptsObservedMeasurements());
  EXPECT_EQ(PlatformNotice(), "");
}

#else

TEST(TrustRoot, IsTheDevelopmentCaInTheFile) {
  const InsecureChain chain(Now());
  const auto path = std::filesystem::temp_directory_path() /
                    ("trust_root_test." + std::to_string(getpid()) + ".pem");
  ASSERT_TRUE(
      WriteFileAtomically(path, AsBytes(cose::CertificateToPem(chain.certificates[kRoot])), 0644));
  EXPECT_EQ(OpenTrustRoot(path)->digest(), DigestOf(chain.certificates[kRoot]));
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("nonsense"), 0644));
  EXPECT_EQ(OpenTrustRoot(path).error().reason, "certificate_malformed");
  std::filesystem::remove(path);
  EXPECT_EQ(OpenTrustRoot(path).error().reason, "file_not_found");
  EXPECT_EQ(OpenTrustRoot(std::nullopt).error().reason, "trust_root_missing");
  EXPECT_EQ(PlatformNotice(), "MOCK: no hardware protects this");
}

#endif

}  // namespace
}  // namespace ephemeralml::verify
