#include "common/base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

namespace ephemeralml::log {
namespace {

// What a peer sends arrives in these types; none of them may become part of a log line.
static_assert(!std::is_constructible_v<Field, Literal, std::string>);
static_assert(!std::is_constructible_v<Field, Literal, std::string_view>);
static_assert(!std::is_constructible_v<Field, Literal, const char*>);
static_assert(!std::is_constructible_v<Field, Literal, float>);

TEST(Log, WritesOneJsonObjectALine) {
  Configure("test", Level::kInfo);
  testing::internal::CaptureStderr();
  Info("session_ended", {{"requests", 3}, {"cause", "closed"}});
  const auto line = nlohmann::json::parse(testing::internal::GetCapturedStderr());
  EXPECT_EQ(line["event"], "session_ended");
  EXPECT_EQ(line["role"], "test");
  EXPECT_EQ(line["requests"], 3);
  EXPECT_EQ(line["cause"], "closed");
}

TEST(Log, WritesNoDetailOfAnError) {
  Configure("test", Level::kInfo);
  testing::internal::CaptureStderr();
  Info("failed", {{"reason", Error{Code::kMalformed, "input_truncated", "layer4.weight"}}});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("input_truncated"), std::string::npos);
  EXPECT_EQ(line.find("layer4"), std::string::npos);
}

TEST(Log, LeavesOutWhatIsBelowTheLevel) {
  Configure("test", Level::kWarn);
  testing::internal::CaptureStderr();
  Info("quiet");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Log, ParsesLevels) {
  EXPECT_EQ(ParseLevel("trace").value(), Level::kTrace);
  EXPECT_EQ(ParseLevel("loud").error().reason, "log_level_unknown");
}

}  // namespace
}  // namespace ephemeralml::log
