#include "common/operators/operators.h"

#include <gtest/gtest.h>

namespace ephemeralml::operators {
namespace {

TEST(Operators, RespectsVersionRanges) {
  EXPECT_TRUE(IsSupported("", "LayerNormalization", 17));
  EXPECT_FALSE(IsSupported("", "LayerNormalization", 16));
  EXPECT_FALSE(IsSupported("", "Relu", kNewestOpset + 1));
}

TEST(Operators, TakesBothNamesOfTheDefaultDomain) {
  EXPECT_TRUE(IsSupported("ai.onnx", "Relu", 13));
  EXPECT_TRUE(IsSupported("", "Relu", 13));
  EXPECT_FALSE(IsSupported("com.example", "Relu", 13));
}

}  // namespace
}  // namespace ephemeralml::operators
