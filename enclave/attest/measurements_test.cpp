#include "enclave/attest/measurements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "common/base/file.h"
#include "common/crypto/sha384.h"

namespace ephemeralml::attest {
namespace {

TEST(Measurements, AreNeverZeroAndAllDifferent) {
  const auto measured = MeasureOwnProgram();
  ASSERT_TRUE(measured);
  const cose::PcrBank& pcrs = *measured;
  EXPECT_EQ(pcrs.size(), 16U);
  for (const uint8_t index : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    EXPECT_FALSE(pcrs.at(index).IsZero());
  }
  EXPECT_NE(pcrs.at(0), pcrs.at(1));
  EXPECT_NE(pcrs.at(0), pcrs.at(2));
  EXPECT_NE(pcrs.at(1), pcrs.at(2));
  EXPECT_TRUE(pcrs.at(3).IsZero());
}

TEST(Measurements, AreTheSameAtEveryStart) {
  EXPECT_EQ(MeasureOwnProgram().value(), MeasureOwnProgram().value());
}

TEST(Measurements, FollowTheRuleOfRegisters) {
  const Bytes program =
      ReadFile(std::filesystem::read_symlink("/proc/self/exe"), size_t{1} << 30).value();
  Bytes content;
  AppendU64BigEndian(content, program.size());
  AppendBytes(content, program);
  const auto digest = crypto::Sha384::Of(content);
  Bytes extended(48);
  AppendBytes(extended, digest);
  const auto expected = crypto::Sha384::Of(extended);
  EXPECT_TRUE(std::ranges::equal(MeasureOwnProgram()->at(1), expected));
}

}  // namespace
}  // namespace ephemeralml::attest
