#include "enclave/engine/panels/pool_pixels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kWidth = 30;
constexpr int64_t kHeight = 5;

class PoolPixels : public weights::testing::EachVectorUnit {
 protected:
  // Windows of `rows` x `columns` taps, two pixels apart, taps one apart in lines and two in rows.
  void Run(int64_t rows, int64_t columns, int64_t pixels, bool is_maximum) {
    std::vector<float> picture(kHeight * kWidth * 16);
    for (size_t i = 0; i < picture.size(); ++i) {
      picture[i] = i % 61 == 0 ? std::numeric_limits<float>::quiet_NaN()
                               : static_cast<float>((i * 7919) % 1000) - 500;
    }
    std::vector<float> result(static_cast<size_t>(pixels) * 16 + 1, 777);
    const PooledPixels p = {picture.data(), 2 * 16,  2 * kWidth * 16, 16,
                            rows,           columns, result.data(),   pixels};
    is_maximum ? MaximumOfTaps(p) : MeanOfTaps(p, 7);
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int64_t lane = 0; lane < 16; ++lane) {
        float most = std::numeric_limits<float>::lowest();
        float sum = 0;
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t column = 0; column < columns; ++column) {
            const int64_t at = (2 * row * kWidth + 2 * pixel + column) * 16 + lane;
            const float x = picture[static_cast<size_t>(at)];
            if (x > most) most = x;
            sum += x;
          }
        }
        const float expected = is_maximum ? most : sum / 7;
        const float got = result[static_cast<size_t>(pixel * 16 + lane)];
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(got));
        } else {
          ASSERT_EQ(got, expected) << "pixel " << pixel << ", lane " << lane;
        }
      }
    }
    EXPECT_EQ(result.back(), 777) << "ran past the end";
  }
};

TEST_P(PoolPixels, EqualPlainLoops) {
  for (const bool is_maximum : {true, false}) {
    for (const int64_t pixels : {1, 2, 4, 5, 11}) {
      Run(1, 1, pixels, is_maximum);
      Run(3, 3, pixels, is_maximum);
      Run(2, 7, pixels, is_maximum);
      Run(0, 3, pixels, is_maximum);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, PoolPixels, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
