#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/panels/panel_tile.h"
#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

using engine::testing::RandomValues;

constexpr int64_t kLanes = 16;
constexpr int64_t kWidth = 40;
constexpr int64_t kHeight = 12;
constexpr float kNever = 777;

struct Case {
  int64_t rows = 3;     // of the filter
  int64_t columns = 3;  // of the filter
  int64_t pixels = 1;   // of a line
  int64_t lines = 1;
  int64_t step = 1;      // from one pixel to the next, and from one line to the next
  int64_t dilation = 1;  // from one tap to the next
  bool has_bias = true;
  Bounds bounds = {};
};

class FilterRows : public weights::testing::EachVectorUnit {
 protected:
  // Against plain loops in double precision.
  static void Expect(const Case& c);
};

void FilterRows::Expect(const Case& c) {
  SCOPED_TRACE(::testing::Message()
               << c.rows << " x " << c.columns << " taps, " << c.pixels << " x " << c.lines
               << " pixels, step " << c.step << ", dilation " << c.dilation);
  const auto at = [](int64_t index) { return static_cast<size_t>(index); };
  const std::vector<float> picture = RandomValues(at(kHeight * kWidth * kLanes), 1, 1);
  const std::vector<float> weights = RandomValues(at((c.rows * c.columns + 1) * kLanes), 2, 1);
  const std::vector<float> bias = RandomValues(at(kLanes), 3, 1);
  std::vector<float> result(at(c.pixels * c.lines * kLanes + 1), kNever);
  FilteredPixels p;
  p.left = picture.data();
  p.left_step = c.step * kLanes;
  p.left_line = c.step * kWidth * kLanes;
  p.left_row = c.dilation * kWidth * kLanes;
  p.left_column = c.dilation * kLanes;
  p.rows = c.rows;
  p.columns = c.columns;
  p.weights = weights.data();
  p.weights_row = c.columns * kLanes;
  p.weights_column = kLanes;
  p.bias = c.has_bias ? bias.data() : nullptr;
  p.result = result.data();
  p.result_step = kLanes;
  p.result_line = c.pixels * kLanes;
  p.pixels = c.pixels;
  p.lines = c.lines;
  p.scale = 0.75f;
  p.shift = 0.125f;
  p.bounds = c.bounds;
  ApplyFilters(p);
  for (int64_t i = 0; i < c.pixels * c.lines * kLanes; ++i) {
    const int64_t lane = i % kLanes;
    const int64_t first =
        i / kLanes % c.pixels * p.left_step + i / kLanes / c.pixels * p.left_line + lane;
    double sum = c.has_bias ? bias[at(lane)] : 0;
    for (int64_t tap = 0; tap < c.rows * c.columns; ++tap) {
      const int64_t tap_at = tap / c.columns * p.left_row + tap % c.columns * p.left_column;
      sum += static_cast<double>(picture[at(first + tap_at)]) * weights[at(tap * kLanes + lane)];
    }
    double expected = sum * p.scale + p.shift;
    if (c.bounds.is_bounded) {
      expected = std::clamp<double>(expected, c.bounds.low, c.bounds.high);
    }
    ASSERT_NEAR(result[at(i)], expected, 1e-5) << "pixel " << i / kLanes << ", lane " << lane;
  }
  EXPECT_EQ(result.back(), kNever) << "ran past the end";
}

TEST_P(FilterRows, EqualPlainLoopsForAnyRectangle) {
  for (const int64_t pixels : {1, 2, 3, 4, 5, 8, 11, 17}) {
    for (const int64_t lines : {1, 2, 3}) {
      Expect({.pixels = pixels, .lines = lines});
      Expect({.pixels = pixels, .lines = lines, .step = 2});
    }
  }
}

TEST_P(FilterRows, EqualPlainLoopsForAnyFilter) {
  for (const int64_t rows : {1, 2, 3, 5, 7}) {
    for (const int64_t columns : {1, 3, 5, 7}) {
      Expect({.rows = rows, .columns = columns, .pixels = 9, .lines = 2});
    }
  }
  Expect({.pixels = 9, .lines = 2, .dilation = 2});
  Expect({.rows = 0, .columns = 0, .pixels = 9});
}

TEST_P(FilterRows, StayWithinBounds) {
  Expect({.pixels = 9, .has_bias = false, .bounds = {true, -0.25f, 0.5f}});
  Expect({.pixels = 9, .bounds = {true, 0, 0.5f}});
}

INSTANTIATE_TEST_SUITE_P(Each, FilterRows, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
