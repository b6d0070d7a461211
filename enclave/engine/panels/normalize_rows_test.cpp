#include "enclave/engine/panels/normalize_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

class NormalizeRows : public weights::testing::EachVectorUnit {};

// A row against plain loops in double precision.
void ExpectNormalized(size_t count, bool with_bias) {
  SCOPED_TRACE(::testing::Message() << count << " elements");
  std::mt19937 generator(static_cast<uint32_t>(count));
  std::uniform_real_distribution<float> values(-1, 3);
  std::vector<float> x(count), scale(count), bias(count), y(count + 1, 777.0f);
  for (size_t i = 0; i < count; ++i) {
    x[i] = values(generator);
    scale[i] = values(generator);
    bias[i] = values(generator);
  }
  double mean = 0;
  for (const float v : x) mean += v / static_cast<double>(count);
  double variance = 0;
  for (const float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(count);
  const double inverse = 1 / std::sqrt(variance + 1e-3);
  const RowMoments moments = NormalizeRow(x.data(), scale.data(), with_bias ? bias.data() : nullptr,
                                          y.data(), static_cast<int64_t>(count), 1e-3f);
  EXPECT_NEAR(moments.mean, mean, 1e-6);
  EXPECT_NEAR(moments.inverse_deviation, inverse, 1e-5 * inverse);
  for (size_t i = 0; i < count; ++i) {
    const double expected = (x[i] - mean) * inverse * scale[i] + (with_bias ? bias[i] : 0.0f);
    ASSERT_NEAR(y[i], expected, 1e-5 + 1e-5 * std::abs(expected)) << "element " << i;
  }
  EXPECT_EQ(y[count], 777.0f) << "ran past the end";
}

TEST_P(NormalizeRows, EqualsPlainLoops) {
  for (size_t count = 1; count <= 200; ++count) ExpectNormalized(count, count % 2 == 0);
  for (const size_t count : {384, 768, 1000}) {
    ExpectNormalized(count, true);
    ExpectNormalized(count, false);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, NormalizeRows, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
