#include <gtest/gtest.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/blocked_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::Block;
using testing::BlockedShape;
using testing::OpTester;

std::vector<float> Random(const Shape& shape, uint64_t seed) {
  return testing::RandomValues(*ElementCount(shape), seed, 1);
}

struct Case {
  Shape x;
  int64_t channels_out = 1;
  std::vector<int64_t> kernel = {1, 1};
  std::vector<int64_t> strides = {1, 1};
  std::vector<int64_t> pads = {0, 0, 0, 0};
  std::vector<int64_t> dilations = {1, 1};
  bool depthwise = false;
  size_t threads = 2;
};

OpTester& Window(OpTester& test, const Case& c) {
  return test.Ints("kernel_shape", c.kernel)
      .Ints("strides", c.strides)
      .Ints("pads", c.pads)
      .Ints("dilations", c.dilations);
}

// The prepared operator must give what ONNX's Conv gives on the plain tensors.
void ExpectConv(const Case& c) {
  SCOPED_TRACE(::testing::Message()
               << "C " << c.x[1] << ", M " << c.channels_out << ", " << c.x[2] << "x" << c.x[3]
               << ", kernel " << c.kernel[0] << "x" << c.kernel[1] << ", stride " << c.strides[0]);
  const Shape w_shape = {c.channels_out, c.depthwise ? 1 : c.x[1], c.kernel[0], c.kernel[1]};
  const std::vector<float> x = Random(c.x, 1), w = Random(w_shape, 2);
  const std::vector<float> bias = Random({c.channels_out}, 3);
  OpTester plain("Conv");
  Window(plain, c).Attr("group", c.depthwise ? static_cast<int>(c.x[1]) : 1);
  plain.Input<float>(c.x, x).Input<float>(w_shape, w).Input<float>({c.channels_out}, bias);
  auto outputs = plain.Outputs();
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  const Shape y_shape = (*outputs)[0].shape;
  const std::vector<float> y = Block(y_shape, (*outputs)[0].Values<float>());
  const std::vector<float> residual = Block(y_shape, Random(y_shape, 4));
  for (const bool blocked_input : {true, false}) {
    if (c.depthwise && !blocked_input) continue;
    for (const bool finish : {false, true}) {
      std::vector<float> expected = y;
      OpTester test(c.depthwise ? "DepthwiseConv" : "Conv", 1, "ephemeralml");
      Window(test, c);
      if (blocked_input) {
        test.Input<float>(BlockedShape(c.x), Block(c.x, x));
      } else {
        test.Input<float>(c.x, x);
      }
      test.PackedWeight(
          w_shape, w, bias,
          c.depthwise ? weights::PanelLayout::kDepthwisePanels : weights::PanelLayout::kConvPanels);
      if (finish) {
        test.Input<float>(BlockedShape(y_shape), residual).Attr("activation", "Relu");
        for (size_t i = 0; i < expected.size(); ++i) {
          expected[i] = std::max(expected[i] + residual[i], 0.0f);
        }
      }
      test.ThreadCount(c.threads).Tolerance(1e-4, 1e-5);
      test.ExpectOutput<float>(BlockedShape(y_shape), expected).Run();
    }
  }
}

// Pools' windows may reach past the padding; a convolution's would read past its input.
TEST(PackedConv, HasNoCeilMode) {
  for (const bool is_blocked : {true, false}) {
    OpTester test("Conv", 1, "ephemeralml");
    test.Ints("kernel_shape", {3, 3}).Ints("strides", {3, 3}).Attr("ceil_mode", 1);
    if (is_blocked) {
      test.Input<float>({1, 1, 5, 5, 16}, std::vector<float>(400, 1));
    } else {
      test.Input<float>({1, 16, 5, 5}, std::vector<float>(400, 1));
    }
    test.PackedWeight({16, 16, 3, 3}, std::vector<float>(2304, 2), {},
                      weights::PanelLayout::kConvPanels);
    test.ExpectOutput<float>({1, 1, 1, 1, 16}, std::vector<float>(16, 288)).Run();
  }
}

TEST(PackedConv, EqualsConvOfOneTap) {
  for (const int64_t channels : {1, 3, 16, 24, 100}) {
    for (const int64_t out : {1, 16, 40, 64, 130}) {
      ExpectConv({.x = {2, channels, 5, 7}, .channels_out = out});
    }
  }
  ExpectConv({.x = {1, 20, 9, 8}, .channels_out = 33, .strides = {2, 3}});
  ExpectConv({.x = {1, 20, 3, 3}, .channels_out = 33, .pads = {1, 1, 1, 1}});
}

TEST(PackedConv, EqualsConvOfManyTaps) {
  for (const int64_t size : {3, 6, 7, 14, 20}) {
    ExpectConv(
        {.x = {1, 40, size, size}, .channels_out = 70, .kernel = {3, 3}, .pads = {1, 1, 1, 1}});
  }
  ExpectConv({.x = {2, 3, 21, 17},
              .channels_out = 20,
              .kernel = {7, 5},
              .strides = {2, 1},
              .pads = {3, 0, 1, 2}});
  ExpectConv({.x = {1, 17, 12, 12},
              .channels_out = 64,
              .kernel = {3, 2},
              .pads = {2, 1, 0, 1},
              .dilations = {2, 3}});
}

// From 32 channels and 24 tiles on.
TEST(PackedConv, EqualsConvByTiles) {
  for (const int64_t channels : {32, 130, 200}) {
    ExpectConv(
        {.x = {2, channels, 9, 10}, .channels_out = 40, .kernel = {3, 3}, .pads = {1, 1, 1, 1}});
  }
  ExpectConv({.x = {1, 32, 11, 12}, .channels_out = 64, .kernel = {3, 3}});
  ExpectConv({.x = {1, 48, 9, 9}, .channels_out = 32, .kernel = {3, 3}, .pads = {0, 2, 1, 3}});
}

// What is copied of it, with its padding, is wiped; OpTester looks.
TEST(PackedConv, ForgetsAPictureThatIsAWeight) {
  const Shape shape = {1, 1, 4, 4, 16};
  const Shape w_shape = {16, 16, 3, 3};
  OpTester test("Conv", 1, "ephemeralml");
  Window(test, {.x = {}, .kernel = {3, 3}, .pads = {1, 1, 1, 1}});
  test.Weight<float>(shape, Random(shape, 1))
      .PackedWeight(w_shape, Random(w_shape, 2), {}, weights::PanelLayout::kConvPanels);
  EXPECT_TRUE(test.Outputs().has_value());
}

TEST(PackedConv, RefusesPicturesWithoutRowsOrColumns) {
  const Shape w_shape = {16, 16, 3, 3};
  for (const Shape& shape : {Shape{1, 1, 0, 5, 16}, Shape{1, 1, 5, 0, 16}}) {
    OpTester test("Conv", 1, "ephemeralml");
    Window(test, {.x = {}, .kernel = {3, 3}, .pads = {3, 4, 0, 4}});
    test.Input<float>(shape, {})
        .PackedWeight(w_shape, Random(w_shape, 1), Random({16}, 2),
                      weights::PanelLayout::kConvPanels)
        .ExpectError("shape_invalid");
  }
}

TEST(PackedConv, SumsOverSeveralPieces) {
  ExpectConv({.x = {1, 130, 6, 6}, .channels_out = 70, .kernel = {3, 3}, .pads = {1, 1, 1, 1}});
}

TEST(PackedConv, FiltersEveryChannelAlone) {
  for (const int64_t channels : {1, 16, 30, 64, 150}) {
    ExpectConv({.x = {2, channels, 9, 11},
                .channels_out = channels,
                .kernel = {3, 3},
                .strides = {1, 2},
                .pads = {1, 1, 1, 1},
                .depthwise = true});
  }
  ExpectConv({.x = {1, 20, 30, 9},
              .channels_out = 20,
              .kernel = {5, 1},
              .dilations = {2, 1},
              .depthwise = true});
}

// Blocks and threads in numbers that leave each thread parts of a block.
TEST(PackedConv, SharesLinesOfFilters) {
  for (const size_t threads : {2, 3, 4, 5}) {
    for (const int64_t lines : {1, 2, 3, 7, 33}) {
      const int64_t columns = 4000 / lines;
      ExpectConv({.x = {2, 48, lines, columns},
                  .channels_out = 48,
                  .kernel = {3, 3},
                  .pads = {1, 1, 1, 1},
                  .depthwise = true,
                  .threads = threads});
      ExpectConv({.x = {1, 48, 2 * lines + 2, 2 * columns},
                  .channels_out = 48,
                  .kernel = {3, 3},
                  .strides = {2, 2},
                  .pads = {0, 2, 2, 0},
                  .dilations = {2, 1},
                  .depthwise = true,
                  .threads = threads});
    }
  }
}

TEST(PackedConv, LeavesOutTapsInThePaddingOfFilters) {
  for (const int64_t size : {1, 2, 5, 14}) {
    for (const int64_t pad : {1, 2, 4}) {
      ExpectConv({.x = {1, 20, size, size + 1},
                  .channels_out = 20,
                  .kernel = {3, 3},
                  .pads = {pad, 1, 2, pad},
                  .depthwise = true});
      ExpectConv({.x = {1, 16, size + 4, size + 4},
                  .channels_out = 16,
                  .kernel = {3, 2},
                  .strides = {2, 2},
                  .pads = {pad, pad, 0, 1},
                  .dilations = {2, 3},
                  .depthwise = true});
    }
  }
}

// Inputs lie side by side where results don't.
TEST(PackedConv, FiltersPicturesOfOneColumn) {
  ExpectConv({.x = {1, 20, 8, 1},
              .channels_out = 20,
              .kernel = {3, 1},
              .pads = {1, 1, 1, 1},
              .depthwise = true});
}

TEST(PackedConv, ScalesAndShiftsFilteredChannelsBeforeTheActivation) {
  const Case c = {.x = {1, 20, 9, 13},
                  .channels_out = 20,
                  .kernel = {3, 3},
                  .pads = {1, 1, 1, 1},
                  .depthwise = true};
  const Shape w_shape = {20, 1, 3, 3};
  const std::vector<float> x = Random(c.x, 1), w = Random(w_shape, 2), bias = Random({20}, 3);
  OpTester plain("Conv");
  Window(plain, c).Attr("group", 20);
  plain.Input<float>(c.x, x).Input<float>(w_shape, w).Input<float>({20}, bias);
  const std::vector<float> y(plain.Outputs()->front().Values<float>());
  const auto bounded = [](float value, float least, float most) {
    return std::min(std::max(value, least), most);
  };
  const auto apply = [&](const std::string& name, float value) {
    if (name == "Relu") return std::max(value, 0.0f);
    return name == "HardSwish" ? value * bounded(value + 3, 0, 6) / 6 : value;
  };
  for (const std::string name : {"", "Relu", "HardSwish"}) {
    std::vector<float> expected;
    for (const float value : y) expected.push_back(apply(name, 2.5f * value - 0.75f));
    // Lanes past the channels are as large as the shift at most, and nobody looks at them.
    OpTester test("DepthwiseConv", 1, "ephemeralml");
    Window(test, c).Attr("activation", name);
    test.Input<float>(BlockedShape(c.x), Block(c.x, x));
    test.PackedWeight(w_shape, w, bias, weights::PanelLayout::kDepthwisePanels);
    test.NoInput().Weight<float>({2}, {2.5f, -0.75f});
    const auto outputs = test.Outputs();
    ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
    const std::vector<float> blocked(outputs->front().Values<float>());
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t channel = i / (9 * 13);
      const size_t at = (channel / 16 * 9 * 13 + i % (9 * 13)) * 16 + channel % 16;
      ASSERT_NEAR(blocked[at], expected[i], 2e-5) << name << ", element " << i;
    }
  }
}

TEST(PackedConv, TakesEmptyBatches) {
  OpTester("Conv", 1, "ephemeralml")
      .Input<float>({0, 1, 4, 4, 16}, {})
      .PackedWeight({2, 16, 1, 1}, std::vector<float>(32), {}, weights::PanelLayout::kConvPanels)
      .ExpectOutput<float>({0, 1, 4, 4, 16}, {})
      .Run();
}

TEST(PackedConv, RefusesOtherThanTwoNumbers) {
  OpTester test("DepthwiseConv", 1, "ephemeralml");
  test.Attr("kernel_shape", std::vector<int64_t>{1, 1});
  test.Input<float>({1, 1, 4, 4, 16}, std::vector<float>(256));
  test.PackedWeight({16, 1, 1, 1}, std::vector<float>(16), {},
                    weights::PanelLayout::kDepthwisePanels);
  test.NoInput().Input<float>({1}, {2}).ExpectError("shape_invalid");
  test.Attr("scale", 2.0f).ExpectError("attribute_invalid");
}

TEST(PackedConv, Refuses) {
  const auto conv = [] { return OpTester("Conv", 1, "ephemeralml"); };
  const std::vector<float> x(2 * 4 * 4 * 16), w(20 * 9);
  const auto layout = weights::PanelLayout::kConvPanels;
  // The weight is for another number of channels.
  conv()
      .Input<float>({1, 1, 4, 4, 16}, std::vector<float>(256))
      .PackedWeight({1, 20, 3, 3}, w, {}, layout)
      .ExpectError("shape_invalid");
  // The kernel doesn't fit.
  conv()
      .Input<float>({1, 2, 1, 16, 16}, x)
      .PackedWeight({1, 20, 3, 3}, w, {}, layout)
      .ExpectError("shape_invalid");
  conv()
      .Input<float>({1, 2, 4, 8, 8}, x)
      .PackedWeight({1, 20, 3, 3}, w, {}, layout)
      .ExpectError("shape_invalid");
  conv()
      .Input<float>({1, 2, 4, 4, 16}, x)
      .PackedWeight({1, 20, 3, 3}, w, {}, layout)
      .Input<float>({1, 1, 4, 4, 16}, std::vector<float>(256))
      .ExpectError("shape_invalid");
  conv()
      .Input<float>({1, 2, 4, 4, 16}, x)
      .Weight<float>({1, 20, 3, 3}, w)
      .ExpectError("topology_malformed");
  OpTester("DepthwiseConv", 1, "ephemeralml")
      .Input<float>({1, 2, 4, 4, 16}, x)
      .PackedWeight({1, 20, 3, 3}, w, {}, layout)
      .ExpectError("topology_malformed");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
