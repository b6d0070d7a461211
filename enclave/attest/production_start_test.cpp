#include "enclave/attest/production_start.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

namespace ephemeralml::attest {
namespace {

std::string_view Judge(std::vector<const char*> environment) {
  environment.push_back(nullptr);
  const Done done = RequireNoMockSettings(environment.data());
  return done ? std::string_view("accepted") : done.error().reason;
}

TEST(RequireNoMockSettings, TakesWhatEveryBuildTakes) {
  EXPECT_EQ(Judge({}), "accepted");
  EXPECT_EQ(Judge({"HOME=/", "EPHEMERAL_LOG=warn", "EPHEMERAL_MOCK_MODE=false", "x"}), "accepted");
}

TEST(RequireNoMockSettings, RefusesWhatOnlyMockModeTakes) {
  EXPECT_EQ(Judge({"EPHEMERAL_STATE=/tmp"}), "mock_setting_refused");
  EXPECT_EQ(Judge({"HOME=/", "EPHEMERAL_MOCK_ROOT=x"}), "mock_setting_refused");
  EXPECT_EQ(Judge({"EPHEMERAL_MOCK"}), "mock_setting_refused");
  EXPECT_EQ(Judge({"EPHEMERAL_MOCK_MODES=false"}), "mock_setting_refused");
}

TEST(RequireReadOnly, RefusesWhatCanBeWritten) {
  const std::string writable = std::filesystem::temp_directory_path().string();
  EXPECT_EQ(RequireReadOnly(writable.c_str()).error().reason, "root_writable");
  EXPECT_EQ(RequireReadOnly("/no/such/folder").error().reason, "platform_unavailable");
}

}  // namespace
}  // namespace ephemeralml::attest
