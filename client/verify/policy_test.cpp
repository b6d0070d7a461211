#include "client/verify/policy.h"

#include <gtest/gtest.h>

#include "client/verify/trust_root.h"

namespace ephemeralml::verify {
namespace {

std::string Digits(char digit) { return std::string(96, digit); }

std::string Set(std::string_view name, std::string_view body) {
  return "[[measurements]]\nname = \"" + std::string(name) + "\"\n" + std::string(body) + "\n";
}

std::string Pcr(int index, char digit) {
  return "pcr" + std::to_string(index) + " = \"" + Digits(digit) + "\"\n";
}

Result<Policy> Parse(std::string_view text) {
  return Policy::Parse(text, TrustOnFirstUse::kAsPlatform);
}

std::string_view Reason(std::string_view text) {
  const Result<Policy> policy = Parse(text);
  return policy ? "" : policy.error().reason;
}

cose::PcrBank Bank(uint8_t value) {
  cose::PcrBank bank;
  for (const uint8_t index : kPolicyPcrs) bank[index].fill(value);
  return bank;
}

const Time kNow = Time(std::chrono::sys_days(std::chrono::year(2026) / 5 / 17));

TEST(Policy, ReadsAllThatItMayHold) {
  const Policy policy =
      Parse("max_age_seconds = 30\nclock_skew_seconds = 0\n" +
            Set("a", Pcr(0, '1') + "origin = \"built\"\n" + "expires = 2026-05-17T02:30:00+02:00") +
            Set("b", Pcr(8, '2') + Pcr(4, 'A')))
          .value();
  EXPECT_EQ(policy.max_age(), std::chrono::seconds(30));
  EXPECT_EQ(policy.clock_skew(), std::chrono::seconds(0));
  ASSERT_EQ(policy.measurements().size(), 2U);
  EXPECT_EQ(policy.measurements()[0].pcrs.at(0)[0], 0x11);
  EXPECT_EQ(ToText(*policy.measurements()[0].expires), "2026-05-17T00:30:00.000Z");
  EXPECT_EQ(policy.measurements()[1].pcrs.at(4)[47], 0xaa);
}

TEST(Policy, RefusesToBeEmpty) {
  EXPECT_EQ(Reason(""), "policy_empty");
  EXPECT_EQ(Reason("max_age_seconds = 30"), "policy_empty");
  EXPECT_EQ(Reason("measurements = []"), "policy_empty");
}

TEST(Policy, RefusesUnknownKeys) {
  EXPECT_EQ(Reason("max_age = 30"), "policy_key_unknown");
  EXPECT_EQ(Reason(Set("a", Pcr(0, '1') + "color = 1")), "policy_key_unknown");
  EXPECT_EQ(Reason(Set("a", Pcr(0, '1') + Pcr(5, '1'))), "policy_key_unknown");
}

TEST(Policy, RefusesSetsThatConstrainNoCode) {
  EXPECT_EQ(Reason(Set("a", Pcr(1, '1') + Pcr(2, '1') + Pcr(3, '1'))), "policy_constrains_no_code");
  EXPECT_EQ(Reason(Set("a", Pcr(8, '0'))), "policy_constrains_no_code");
  EXPECT_EQ(Reason(Set("a", "")), "policy_constrains_no_code");
}

TEST(Policy, RefusesToAskForADebugEnclave) {
  for (const int index : {0, 1, 2}) {
    EXPECT_EQ(Reason(Set("a", Pcr(8, '1') + Pcr(index, '0'))), "policy_debug");
  }
}

TEST(Policy, RefusesMalformedFiles) {
  for (const std::string& text : {
           std::string("measurements = 1"),
           std::string("measurements = [1]"),
           std::string("[[measurements]"),
           std::string("\xff\xfe"),
           "[[measurements]]\n" + Pcr(0, '1'),
           Set("", Pcr(0, '1')),
           Set("a", "pcr0 = \"11\""),
           Set("a", "pcr0 = \"" + Digits('x') + "\""),
           Set("a", "pcr0 = 1"),
           Set("a", Pcr(0, '1') + Pcr(0, '1')),
           Set("a", Pcr(0, '1') + "expires = 2026-05-17"),
           Set("a", Pcr(0, '1') + "expires = 2026-05-17T00:00:00"),
           Set("a", Pcr(0, '1') + "origin = \"dream\""),
           Set("a", Pcr(0, '1')) + Set("a", Pcr(0, '2')),
           "max_age_seconds = 0\n" + Set("a", Pcr(0, '1')),
           "max_age_seconds = \"30\"\n" + Set("a", Pcr(0, '1')),
           "clock_skew_seconds = -1\n" + Set("a", Pcr(0, '1')),
           "clock_skew_seconds = 3601\n" + Set("a", Pcr(0, '1')),
       }) {
    EXPECT_EQ(Reason(text), "policy_malformed") << text;
  }
}

TEST(Policy, SurvivesTruncationAndBitFlipsEverywhere) {
  const std::string whole = "max_age_seconds = 30\n" + Set("a", Pcr(0, '1')) +
                            "expires = 2026-05-17T00:00:00Z\norigin = \"built\"\n";
  ASSERT_EQ(Reason(whole), "");
  for (size_t size = 0; size < whole.size(); ++size) {
    (void)Reason(std::string_view(whole).substr(0, size));
  }
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    (void)Reason(flipped);
  }
}

TEST(Policy, RefusesMoreThanItsLimits) {
  EXPECT_EQ(Reason(std::string((1 << 20) + 1, '\n')), "file_too_large");
  EXPECT_EQ(Policy::Load("/nonexistent/policy.toml", TrustOnFirstUse::kAsPlatform).error().reason,
            "file_not_found");
}

TEST(Policy, TakesObservedMeasurementsInProductionOnlyIfToldTo) {
  const std::string text = Set("a", Pcr(0, '1') + "origin = \"observed\"");
  EXPECT_TRUE(Policy::Parse(text, TrustOnFirstUse::kAllowed));
  EXPECT_EQ(Reason(text), AcceptsObservedMeasurements() ? "" : "policy_observed");
}

TEST(Policy, MatchesOnlyIfEveryNamedRegisterDoes) {
  const Policy policy = Parse(Set("a", Pcr(0, '1') + Pcr(8, '1'))).value();
  cose::PcrBank bank = Bank(0x11);
  EXPECT_EQ(policy.Match(bank, kNow).value()->name, "a");
  bank[1].fill(0x99);  // not named
  EXPECT_TRUE(policy.Match(bank, kNow));
  bank[8][47] ^= 1;
  EXPECT_EQ(policy.Match(bank, kNow).error().reason, "measurement_mismatch");
  bank = Bank(0x11);
  bank.erase(8);
  EXPECT_EQ(policy.Match(bank, kNow).error().reason, "measurement_mismatch");
}

TEST(Policy, MatchesAnyOfItsSetsForRollingUpgrades) {
  const Policy policy = Parse(Set("old", Pcr(0, '1')) + Set("new", Pcr(0, '2'))).value();
  EXPECT_EQ(policy.Match(Bank(0x11), kNow).value()->name, "old");
  EXPECT_EQ(policy.Match(Bank(0x22), kNow).value()->name, "new");
  EXPECT_EQ(policy.Match(Bank(0x33), kNow).error().reason, "measurement_mismatch");
}

TEST(Policy, AcceptsASetUntilItExpires) {
  const Policy policy = Parse(Set("a", Pcr(0, '1') + "expires = 2026-05-17T00:00:00Z")).value();
  EXPECT_TRUE(policy.Match(Bank(0x11), kNow - std::chrono::milliseconds(1)));
  EXPECT_EQ(policy.Match(Bank(0x11), kNow).error().reason, "measurement_expired");
}

TEST(MeasurementSet, RoundTripsAsToml) {
  MeasurementSet set = {
      .name = "quote \" and \\", .pcrs = Bank(0x5a), .expires = kNow, .observed = true};
  const Policy policy = Policy::Parse(ToToml(set), TrustOnFirstUse::kAllowed).value();
  const MeasurementSet& again = policy.measurements().front();
  EXPECT_EQ(again.name, set.name);
  EXPECT_EQ(again.pcrs, set.pcrs);
  EXPECT_EQ(again.expires, set.expires);
  EXPECT_TRUE(again.observed);
}

}  // namespace
}  // namespace ephemeralml::verify
