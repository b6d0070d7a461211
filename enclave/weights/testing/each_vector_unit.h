#pragma once
// Tests of code that Highway compiles for several kinds of vector unit: they run on each kind that
// this processor has, not on its best alone. A test's class inherits EachVectorUnit, and
// INSTANTIATE_TEST_SUITE_P takes VectorUnits() and VectorUnitName.

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <string>

namespace ephemeralml::weights::testing {

class EachVectorUnit : public ::testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    if ((hwy::SupportedTargets() & GetParam()) == 0) GTEST_SKIP() << "this processor lacks it";
    hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  void TearDown() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

inline auto VectorUnits() { return ::testing::Values(HWY_AVX3, HWY_AVX2, HWY_STATIC_TARGET); }

inline std::string VectorUnitName(const ::testing::TestParamInfo<int64_t>& unit) {
  return hwy::TargetName(unit.param);
}

}  // namespace ephemeralml::weights::testing
