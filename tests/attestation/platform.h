#pragma once
// A mock platform in a folder of its own: the enclave's attester, the client's root and policy.

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "client/verify/verify.h"
#include "enclave/attest/mock_attester.h"

namespace ephemeralml {

class Platform : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "platform.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    attester_ = attest::CreateAttester({.state = folder_}).value();
    root_.emplace(verify::OpenTrustRoot(folder_ / "root.pem").value());
    std::ostringstream measurements;
    ASSERT_TRUE(attest::PrintMeasurements(measurements));
    policy_.emplace(
        verify::Policy::Parse(measurements.str(), verify::TrustOnFirstUse::kAsPlatform).value());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string_view Reason(ByteSpan evidence, const verify::Expectations& expectations) const {
    const auto verified = verify::Verify(evidence, *policy_, expectations, *root_, verify::Now());
    return verified ? "" : verified.error().reason;
  }

  std::filesystem::path folder_;
  std::unique_ptr<attest::Attester> attester_;
  std::optional<verify::TrustRoot> root_;
  std::optional<verify::Policy> policy_;
};

/// What binds evidence to a connection, as the enclave's worker puts it together.
inline Bytes UserDataFor(const channel::ExporterBinding& exporter) {
  Bytes user_data = {channel::kUserDataVersion};
  AppendBytes(user_data, exporter);
  return user_data;
}

}  // namespace ephemeralml
