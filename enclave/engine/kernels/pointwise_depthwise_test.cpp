#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/blocked_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::BlockedShape;
using testing::OpTester;
using weights::PanelLayout;

std::vector<float> Random(const Shape& shape, uint64_t seed) {
  return testing::RandomValues(*ElementCount(shape), seed, 1);
}

struct Case {
  Shape x = {1, 16, 9, 11};
  int64_t middle = 96;  // channels between the two convolutions
  std::vector<int64_t> kernel = {3, 3};
  std::vector<int64_t> strides = {1, 1};
  std::vector<int64_t> pads = {1, 1, 1, 1};
  std::vector<int64_t> dilations = {1, 1};
  std::string pointwise_activation = "Relu";
  std::string activation = "Relu";
  bool has_bias = true;
  bool has_numbers = false;
  size_t threads = 2;

  Shape pointwise() const { return {middle, x[1], 1, 1}; }
  Shape filters() const { return {middle, 1, kernel[0], kernel[1]}; }
  std::vector<float> Bias(uint64_t seed) const {
    return has_bias ? Random({middle}, seed) : std::vector<float>();
  }
};

void AddPointwise(OpTester& test, const Case& c) {
  test.PackedWeight(c.pointwise(), Random(c.pointwise(), 2), c.Bias(3), PanelLayout::kConvPanels);
}

void AddFilters(OpTester& test, const Case& c) {
  test.Ints("strides", c.strides).Ints("pads", c.pads).Ints("dilations", c.dilations);
  test.Attr("activation", c.activation).Attr("activation_alpha", -0.5F);
  test.Attr("activation_beta", 0.75F).ThreadCount(c.threads);
  test.PackedWeight(c.filters(), Random(c.filters(), 4), c.Bias(5), PanelLayout::kDepthwisePanels);
}

void AddNumbers(OpTester& test, const Case& c) {
  if (c.has_numbers) test.Weight<float>({2}, {2.5F, -0.75F});
}

OpTester Fused(const Case& c) {
  OpTester test("PointwiseDepthwiseConv", 1, "ephemeralml");
  test.Input<float>(BlockedShape(c.x), testing::Block(c.x, Random(c.x, 1)));
  test.Attr("pointwise_activation", c.pointwise_activation);
  test.Attr("pointwise_activation_alpha", 0.25F).Attr("pointwise_activation_beta", 0.5F);
  AddPointwise(test, c);
  AddFilters(test, c);
  AddNumbers(test, c);
  return test;
}

// The operator must give what the two give one after the other, to the bit.
void ExpectBoth(const Case& c) {
  SCOPED_TRACE(::testing::Message()
               << c.x[0] << " x " << c.x[1] << " x " << c.x[2] << " x " << c.x[3] << " to "
               << c.middle << ", kernel " << c.kernel[0] << " x " << c.kernel[1] << ", strides "
               << c.strides[0] << ", " << c.pointwise_activation << ", " << c.activation << ", "
               << c.threads << " threads");
  OpTester pointwise("Conv", 1, "ephemeralml");
  pointwise.Input<float>(BlockedShape(c.x), testing::Block(c.x, Random(c.x, 1)));
  pointwise.Attr("activation", c.pointwise_activation);
  pointwise.Attr("activation_alpha", 0.25F).Attr("activation_beta", 0.5F);
  AddPointwise(pointwise, c);
  const auto between = pointwise.Outputs();
  ASSERT_TRUE(between.has_value()) << between.error().what;
  OpTester filtering("DepthwiseConv", 1, "ephemeralml");
  filtering.Input<float>(between->front().shape, between->front().Values<float>());
  AddFilters(filtering, c);
  if (c.has_numbers) filtering.NoInput();
  AddNumbers(filtering, c);
  const auto after = filtering.Outputs();
  ASSERT_TRUE(after.has_value()) << after.error().what;
  Fused(c)
      .Tolerance(0, 0)
      .ExpectOutput<float>(after->front().shape, after->front().Values<float>())
      .Run();
}

TEST(PointwiseDepthwise, EqualsOneAfterTheOther) {
  for (const int64_t channels : {1, 16, 24, 40, 384}) {
    for (const int64_t middle : {1, 16, 40, 64, 96, 200}) {
      ExpectBoth({.x = {2, channels, 9, 11}, .middle = middle});
    }
  }
}

TEST(PointwiseDepthwise, TakesAnyWindow) {
  ExpectBoth({.x = {2, 24, 16, 17}, .strides = {2, 2}});
  ExpectBoth({.x = {1, 24, 16, 17}, .kernel = {5, 3}, .strides = {1, 2}, .pads = {2, 0, 2, 1}});
  ExpectBoth({.x = {1, 24, 20, 9}, .kernel = {2, 1}, .strides = {3, 1}, .pads = {0, 0, 0, 0}});
  // Lines between two strides that no filter looks at.
  ExpectBoth({.x = {1, 24, 40, 9}, .kernel = {1, 1}, .strides = {4, 3}, .pads = {0, 0, 0, 0}});
  ExpectBoth({.x = {1, 24, 12, 13}, .pads = {2, 1, 3, 2}, .dilations = {3, 2}});
  // Lines of the result that lie in the padding alone.
  ExpectBoth({.x = {2, 24, 3, 4}, .pads = {5, 4, 6, 5}});
  ExpectBoth({.x = {1, 24, 2, 2}, .kernel = {1, 2}, .strides = {3, 1}, .pads = {7, 1, 7, 1}});
}

// As large as they may be: 256 KiB, and 32 lines.
TEST(PointwiseDepthwise, TakesTheLargestFilters) {
  ExpectBoth({.x = {1, 16, 8, 8}, .middle = 1024, .kernel = {9, 7}, .pads = {1, 0, 1, 0}});
  ExpectBoth({.x = {1, 16, 40, 20}, .kernel = {2, 1}, .dilations = {31, 1}});
}

// Wide pictures make several strips, of which each keeps lines of the one before.
TEST(PointwiseDepthwise, KeepsLinesFromStripToStrip) {
  for (const size_t threads : {1, 2, 3, 5}) {
    for (const int64_t stride : {1, 2, 4}) {
      ExpectBoth({.x = {2, 16, 37, 300}, .strides = {stride, stride}, .threads = threads});
    }
    ExpectBoth({.x = {1, 16, 50, 200},
                .middle = 64,
                .kernel = {3, 3},
                .pads = {4, 1, 4, 1},
                .dilations = {4, 1},
                .threads = threads});
    // A strip of one line.
    ExpectBoth({.x = {1, 16, 7, 2100}, .middle = 80, .threads = threads});
  }
}

TEST(PointwiseDepthwise, HasActivationsOfItsOwn) {
  for (const std::string pointwise : {"", "HardSwish", "Clip", "LeakyRelu", "HardSigmoid"}) {
    for (const std::string after : {"", "HardSwish", "Clip", "Sigmoid"}) {
      ExpectBoth({.middle = 40, .pointwise_activation = pointwise, .activation = after});
    }
  }
}

TEST(PointwiseDepthwise, TakesScaleAndShift) {
  ExpectBoth({.middle = 40, .has_numbers = true});
  ExpectBoth({.middle = 40, .activation = "HardSwish", .has_numbers = true});
}

TEST(PointwiseDepthwise, DoesWithoutBiases) { ExpectBoth({.has_bias = false}); }

TEST(PointwiseDepthwise, TakesEmptyBatches) {
  const Case c = {.x = {0, 16, 4, 4}};
  Fused(c).ExpectOutput<float>({0, 6, 4, 4, 16}, {}).Run();
}

// A filter's lane past the channels is 0, and what it meets must be a number: not what other
// channels left there.
TEST(PointwiseDepthwise, KeepsLanesPastTheChannelsFinite) {
  constexpr int64_t kMiddle = 64 + 8;
  std::vector<float> pointwise(kMiddle * 16, 10);
  std::fill(pointwise.begin() + ptrdiff_t{64} * 16, pointwise.end(), 1e-30F);
  OpTester test("PointwiseDepthwiseConv", 1, "ephemeralml");
  test.Input<float>({1, 1, 4, 4, 16}, std::vector<float>(256, 3e38F)).ThreadCount(1);
  test.PackedWeight({kMiddle, 16, 1, 1}, pointwise, {}, PanelLayout::kConvPanels);
  test.PackedWeight({kMiddle, 1, 1, 1}, std::vector<float>(kMiddle, 1), {},
                    PanelLayout::kDepthwisePanels);
  const auto outputs = test.Outputs();
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  const std::vector<float> y = outputs->front().Values<float>();
  ASSERT_TRUE(std::isinf(y.front()));
  for (size_t i = size_t{4} * 256; i < y.size(); ++i) {
    EXPECT_EQ(y[i] != 0, i % 16 < 8) << "element " << i;
    EXPECT_TRUE(std::isfinite(y[i])) << "element " << i;
  }
}

// A panel of the pointwise convolution for each thread, and the filters.
TEST(PointwiseDepthwise, HoldsLittleOpen) {
  const Case c = {.x = {1, 160, 14, 14}, .middle = 960};
  OpTester test = Fused(c);
  ASSERT_TRUE(test.Outputs().has_value());
  const uint64_t panel = (160 + 1) * 64 * sizeof(float), filters = 960 * 10 * sizeof(float);
  const uint64_t chunk = 16384;
  EXPECT_GE(test.peak_plaintext_bytes(), panel + filters);
  EXPECT_LE(test.peak_plaintext_bytes(), 2 * (panel + 2 * chunk) + filters + 2 * chunk);
}

TEST(PointwiseDepthwise, Refuses) {
  const std::vector<float> x(2 * 4 * 4 * 16);
  const auto with = [&](const Shape& shape, const Shape& pointwise, const Shape& filters) {
    OpTester test("PointwiseDepthwiseConv", 1, "ephemeralml");
    test.Input<float>(shape, std::vector<float>(*ElementCount(shape)));
    test.PackedWeight(pointwise, std::vector<float>(*ElementCount(pointwise)), {},
                      PanelLayout::kConvPanels);
    test.PackedWeight(filters, std::vector<float>(*ElementCount(filters)), {},
                      PanelLayout::kDepthwisePanels);
    return test;
  };
  const Shape shape = {1, 2, 4, 4, 16};
  // Another number of channels than the input's, or than the filters are for.
  with(shape, {8, 40, 1, 1}, {8, 1, 3, 3}).ExpectError("shape_invalid");
  with(shape, {8, 20, 1, 1}, {9, 1, 3, 3}).ExpectError("shape_invalid");
  // A picture that isn't in blocks.
  with({1, 20, 4, 4}, {8, 20, 1, 1}, {8, 1, 3, 3}).ExpectError("shape_invalid");
  // More than one tap, or more channels than lie open at a time.
  with(shape, {8, 20, 1, 2}, {8, 1, 3, 3}).ExpectError("shape_invalid");
  with({1, 25, 4, 4, 16}, {8, 385, 1, 1}, {8, 1, 3, 3}).ExpectError("shape_invalid");
  // A filter that is larger than the picture.
  with(shape, {8, 20, 1, 1}, {8, 1, 5, 3}).ExpectError("shape_invalid");
  // Filters that lie open for long, or reach over many lines of which each would be kept.
  with(shape, {1824, 20, 1, 1}, {1824, 1, 6, 6})
      .Ints("pads", {1, 1, 1, 1})
      .ExpectError("shape_invalid");
  with({1, 2, 40, 4, 16}, {8, 20, 1, 1}, {8, 1, 2, 1})
      .Ints("dilations", {32, 1})
      .ExpectError("shape_invalid");
  with(shape, {8, 20, 1, 1}, {8, 1, 3, 3})
      .Attr("pointwise_activation", "Softmax")
      .ExpectError("attribute_invalid");
  OpTester("PointwiseDepthwiseConv", 1, "ephemeralml")
      .Input<float>(shape, x)
      .PackedWeight({8, 20, 1, 1}, std::vector<float>(160), {}, PanelLayout::kConvPanels)
      .Weight<float>({8, 1, 3, 3}, std::vector<float>(72))
      .ExpectError("topology_malformed");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
