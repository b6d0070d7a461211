#include "enclave/engine/panels/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/panels/attention_rows.h"
#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

class AttentionRows : public weights::testing::EachVectorUnit {};

TEST_P(AttentionRows, TurnsAnyShape) {
  for (const int64_t rows : {1, 3, 4, 5, 16, 18}) {
    for (const int64_t columns : {1, 2, 4, 7, 12, 17}) {
      std::vector<float> from(static_cast<size_t>(rows * (columns + 2)));
      for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
      std::vector<float> to(static_cast<size_t>(columns * (rows + 3)), -1.0f);
      Transpose(from.data(), columns + 2, rows, columns, to.data(), rows + 3);
      for (int64_t column = 0; column < columns; ++column) {
        for (int64_t row = 0; row < rows + 3; ++row) {
          const float expected =
              row < rows ? from[static_cast<size_t>(row * (columns + 2) + column)] : -1.0f;
          ASSERT_EQ(to[static_cast<size_t>(column * (rows + 3) + row)], expected);
        }
      }
    }
  }
}

TEST_P(AttentionRows, ExponentiatesStablyAndSumsWhatItLeaves) {
  for (const size_t count : {1, 7, 16, 33}) {
    std::vector<float> scores(count + 16, 5000.0f);
    std::vector<float> mask(count);
    for (size_t i = 0; i < count; ++i) {
      scores[i] = 1000.0f + static_cast<float>(i % 5);
      mask[i] = static_cast<float>(i % 3);
    }
    const std::vector<float> before = scores;
    const RowSum sum =
        ExponentiateRow(scores.data(), static_cast<int64_t>(count), 0.5f, mask.data());
    double most = -1e30;
    for (size_t i = 0; i < count; ++i) most = std::max(most, 0.5 * before[i] + mask[i]);
    double expected_sum = 0;
    for (size_t i = 0; i < count; ++i) {
      const double expected = std::exp(0.5 * before[i] + mask[i] - most);
      expected_sum += expected;
      EXPECT_NEAR(scores[i], expected, 1e-6);
    }
    EXPECT_NEAR(sum.sum, expected_sum, 1e-5);
    EXPECT_NEAR(sum.most, most, 1e-3);
    for (size_t i = count; i < scores.size(); ++i) EXPECT_EQ(scores[i], 5000.0f);
  }
}

TEST_P(AttentionRows, DividesRowsOfAnyCount) {
  const std::vector<float> sums = {2, 0, 0.5f};
  for (const size_t count : {1, 7, 16, 33}) {
    const size_t stride = count + 1;
    std::vector<float> values(sums.size() * stride);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) + 1;
    const std::vector<float> before = values;
    DivideRows(values.data(), static_cast<int64_t>(stride), static_cast<int64_t>(count),
               sums.data(), static_cast<int64_t>(sums.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      const float sum = i % stride == count ? 1 : sums[i / stride];
      EXPECT_EQ(values[i], sum == 0 ? 0 : before[i] / sum) << i << " of rows of " << count;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, AttentionRows, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
