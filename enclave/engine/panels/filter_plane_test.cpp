#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/panels/filter_plane.h"
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
  int64_t padding = 0;   // taps before an axis's first input, and as many behind its last
  bool has_bias = true;
  Bounds bounds = {};
};

size_t At(int64_t index) { return static_cast<size_t>(index); }

// The runs of an axis: one, but for the outputs that padding reaches.
std::vector<FilterRun> RunsOf(int64_t outputs, int64_t taps, int64_t padding, int64_t step,
                              int64_t distance) {
  std::vector<FilterRun> runs;
  for (int64_t i = 0; i < outputs; ++i) {
    const int64_t before = std::clamp<int64_t>(padding - i * step, 0, taps);
    const int64_t behind =
        std::clamp<int64_t>(padding - (outputs - 1 - i) * step, 0, taps - before);
    if (before > 0 || behind > 0 || runs.empty() || runs.back().taps < taps) {
      runs.push_back(
          {i, 0, before, taps - before - behind, (i * step - padding + before) * distance});
    }
    ++runs.back().count;
  }
  return runs;
}

class FilterPlanes : public weights::testing::EachVectorUnit {
 protected:
  // Against plain loops in double precision.
  static void Expect(const Case& c);
};

void FilterPlanes::Expect(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c.rows << " x " << c.columns << " taps, " << c.pixels
                                    << " x " << c.lines << " pixels, step " << c.step
                                    << ", dilation " << c.dilation << ", padding " << c.padding);
  const std::vector<float> picture = RandomValues(At(kHeight * kWidth * kLanes), 1, 1);
  const std::vector<float> weights = RandomValues(At((c.rows * c.columns + 1) * kLanes), 2, 1);
  const std::vector<float> bias = RandomValues(At(kLanes), 3, 1);
  std::vector<float> result(At(c.pixels * c.lines * kLanes + 1), kNever);
  const auto lines = RunsOf(c.lines, c.rows, c.padding, c.step, kWidth * kLanes);
  const auto columns = RunsOf(c.pixels, c.columns, c.padding, c.step, kLanes);
  FilteredPlane p;
  p.left = picture.data();
  p.left_step = c.step * kLanes;
  p.left_line = c.step * kWidth * kLanes;
  p.left_row = c.dilation * kWidth * kLanes;
  p.left_column = c.dilation * kLanes;
  p.weights = weights.data();
  p.weights_row = c.columns * kLanes;
  p.weights_column = kLanes;
  p.bias = c.has_bias ? bias.data() : nullptr;
  p.result = result.data();
  p.result_step = kLanes;
  p.result_line = c.pixels * kLanes;
  p.lines = lines;
  p.columns = columns;
  p.scale = 0.75f;
  p.shift = 0.125f;
  p.bounds = c.bounds;
  FilterPlane(p);
  for (int64_t i = 0; i < c.pixels * c.lines * kLanes; ++i) {
    const int64_t lane = i % kLanes;
    const int64_t column = i / kLanes % c.pixels;
    const int64_t line = i / kLanes / c.pixels;
    double sum = c.has_bias ? bias[At(lane)] : 0;
    for (int64_t tap = 0; tap < c.rows * c.columns; ++tap) {
      const int64_t y = line * c.step - c.padding + tap / c.columns * c.dilation;
      const int64_t x = column * c.step - c.padding + tap % c.columns * c.dilation;
      const bool is_beside = c.padding > 0 && (y < 0 || x < 0 || y > (c.lines - 1) * c.step ||
                                               x > (c.pixels - 1) * c.step);
      if (is_beside) continue;
      sum += static_cast<double>(picture[At((y * kWidth + x) * kLanes + lane)]) *
             weights[At(tap * kLanes + lane)];
    }
    double expected = sum * p.scale + p.shift;
    if (c.bounds.is_bounded) {
      expected = std::clamp<double>(expected, c.bounds.low, c.bounds.high);
    }
    ASSERT_NEAR(result[At(i)], expected, 1e-5) << "pixel " << i / kLanes << ", lane " << lane;
  }
  EXPECT_EQ(result.back(), kNever) << "ran past the end";
}

TEST_P(FilterPlanes, EqualPlainLoopsForAnyRectangle) {
  for (const int64_t pixels : {1, 2, 3, 4, 5, 8, 11, 14, 15, 17}) {
    for (const int64_t lines : {1, 2, 3, 5}) {
      Expect({.pixels = pixels, .lines = lines});
      Expect({.pixels = pixels, .lines = lines, .step = 2});
    }
  }
}

TEST_P(FilterPlanes, EqualPlainLoopsForAnyFilter) {
  for (const int64_t rows : {1, 2, 3, 5, 7}) {
    for (const int64_t columns : {1, 3, 5, 7}) {
      Expect({.rows = rows, .columns = columns, .pixels = 9, .lines = 2});
    }
  }
  Expect({.pixels = 9, .lines = 2, .dilation = 2});
  Expect({.rows = 0, .columns = 0, .pixels = 9});
}

TEST_P(FilterPlanes, LeaveOutTapsInThePadding) {
  for (const int64_t pixels : {3, 5, 14, 20}) {
    for (const int64_t lines : {3, 7, 9}) {
      Expect({.pixels = pixels, .lines = lines, .padding = 1});
      Expect({.rows = 5, .columns = 5, .pixels = pixels, .lines = lines, .padding = 2});
    }
  }
}

TEST_P(FilterPlanes, StayWithinBounds) {
  Expect({.pixels = 9, .has_bias = false, .bounds = {true, -0.25f, 0.5f}});
  Expect({.pixels = 9, .bounds = {true, 0, 0.5f}});
}

INSTANTIATE_TEST_SUITE_P(Each, FilterPlanes, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
