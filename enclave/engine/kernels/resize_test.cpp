#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

// A row of `given` numbers from 1, resized to `size` by sizes.
OpTester RowTo(int64_t given, int64_t size, const char* mode, const char* coordinates) {
  std::vector<float> x(static_cast<size_t>(given));
  std::iota(x.begin(), x.end(), 1.0f);
  OpTester test("Resize", 19);
  test.Attr("mode", mode).Attr("coordinate_transformation_mode", coordinates);
  test.Input<float>({given}, x).NoInput().NoInput().Input<int64_t>({1}, {size});
  return test;
}

// As RowTo, by a scale.
OpTester RowBy(int64_t given, float scale, const char* mode, const char* coordinates) {
  std::vector<float> x(static_cast<size_t>(given));
  std::iota(x.begin(), x.end(), 1.0f);
  OpTester test("Resize", 19);
  test.Attr("mode", mode).Attr("coordinate_transformation_mode", coordinates);
  test.Input<float>({given}, x).NoInput().Input<float>({1}, {scale});
  return test;
}

TEST(Resize, DoublesAnImageByItsNearestElements) {
  for (const int64_t opset : {11, 13, 18, 19, 21}) {
    OpTester("Resize", opset)
        .Attr("coordinate_transformation_mode", "asymmetric")
        .Attr("nearest_mode", "floor")
        .Input<uint8_t>({1, 1, 2, 2}, {1, 2, 3, 4})
        .Input<float>({0}, {})
        .Constant<float>({4}, {1, 1, 2, 2})
        .ExpectOutput<uint8_t>({1, 1, 4, 4}, {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4})
        .Run();
  }
}

TEST(Resize, TransformsCoordinatesInEveryMode) {
  RowTo(2, 4, "linear", "half_pixel").ExpectOutput<float>({4}, {1, 1.25f, 1.75f, 2}).Run();
  RowTo(2, 4, "linear", "pytorch_half_pixel").ExpectOutput<float>({4}, {1, 1.25f, 1.75f, 2}).Run();
  RowTo(3, 1, "linear", "half_pixel").ExpectOutput<float>({1}, {2}).Run();
  RowTo(3, 1, "linear", "pytorch_half_pixel").ExpectOutput<float>({1}, {1}).Run();
  RowTo(3, 5, "linear", "align_corners").ExpectOutput<float>({5}, {1, 1.5f, 2, 2.5f, 3}).Run();
  RowTo(3, 1, "linear", "align_corners").ExpectOutput<float>({1}, {1}).Run();
  RowTo(2, 4, "linear", "asymmetric").ExpectOutput<float>({4}, {1, 1.5f, 2, 2}).Run();
  RowTo(4, 2, "nearest", "tf_half_pixel_for_nn")
      .Attr("nearest_mode", "floor")
      .ExpectOutput<float>({2}, {2, 4})
      .Run();
  // 4 * 0.6 is 2.4, of which 2 fit: the symmetric mode centres them.
  RowBy(4, 0.6f, "linear", "half_pixel_symmetric")
      .ExpectOutput<float>({2}, {1.6666667f, 3.3333333f})
      .Run();
  RowBy(4, 0.6f, "linear", "half_pixel").ExpectOutput<float>({2}, {1.3333333f, 3}).Run();
}

TEST(Resize, RoundsToTheNearestElementInEveryMode) {
  // Coordinates 0, 0.5, 1, 1.5, 2, 2.5.
  const auto expect = [](const char* nearest_mode, const std::vector<float>& expected) {
    RowTo(3, 6, "nearest", "asymmetric")
        .Attr("nearest_mode", nearest_mode)
        .ExpectOutput<float>({6}, expected)
        .Run();
  };
  expect("round_prefer_floor", {1, 1, 2, 2, 3, 3});
  expect("round_prefer_ceil", {1, 2, 2, 3, 3, 3});
  expect("floor", {1, 1, 2, 2, 3, 3});
  expect("ceil", {1, 2, 2, 3, 3, 3});
}

TEST(Resize, InterpolatesCubically) {
  RowTo(4, 8, "cubic", "half_pixel")
      .ExpectOutput<float>({8}, {0.89453125f, 1.19140625f, 1.66796875f, 2.296875f, 2.703125f,
                                 3.33203125f, 3.80859375f, 4.10546875f})
      .Run();
  RowTo(4, 8, "cubic", "half_pixel")
      .Attr("cubic_coeff_a", -0.5f)
      .ExpectOutput<float>({8}, {0.9296875f, 1.1796875f, 1.7265625f, 2.25f, 2.75f, 3.2734375f,
                                 3.8203125f, 4.0703125f})
      .Run();
}

TEST(Resize, LeavesOutWhatLiesOutside) {
  // Weights of the taps at -1, 0, 1, 2 around 0.25 - 0.5: the first two of four are outside.
  const auto test = [] { return RowTo(2, 4, "cubic", "half_pixel"); };
  const auto whole = test().Outputs();
  const auto cut = test().Attr("exclude_outside", 1).Outputs();
  ASSERT_TRUE(whole.has_value() && cut.has_value());
  const auto weight = [](float d) {
    constexpr float kA = -0.75f;
    return d <= 1 ? (kA + 2) * d * d * d - (kA + 3) * d * d + 1
                  : kA * d * d * d - 5 * kA * d * d + 8 * kA * d - 4 * kA;
  };
  const float first = weight(0.25f);
  const float second = weight(1.25f);
  EXPECT_NEAR((*cut)[0].Values<float>()[0], (first + 2 * second) / (first + second), 1e-5f);
  const float outside = weight(0.75f) + weight(1.75f);
  EXPECT_NEAR((*whole)[0].Values<float>()[0], outside + first + 2 * second, 1e-5f);
}

TEST(Resize, FiltersWhenShrinkingWithAntialiasing) {
  // Scale 1/2 at coordinate 0.5: triangle weights 1, 3, 3, 1 over eight, the border repeated.
  RowTo(4, 2, "linear", "half_pixel")
      .Attr("antialias", 1)
      .ExpectOutput<float>({2}, {(1 + 3 * 1 + 3 * 2 + 3) / 8.0f, (2 + 3 * 3 + 3 * 4 + 4) / 8.0f})
      .Run();
  RowTo(4, 2, "linear", "half_pixel")
      .Attr("antialias", 1)
      .Attr("exclude_outside", 1)
      .ExpectOutput<float>({2}, {(3 * 1 + 3 * 2 + 3) / 7.0f, (2 + 3 * 3 + 3 * 4) / 7.0f})
      .Run();
  RowTo(2, 4, "linear", "half_pixel")
      .Attr("antialias", 1)
      .ExpectOutput<float>({4}, {1, 1.25f, 1.75f, 2})
      .Run();
}

TEST(Resize, CropsAndExtrapolates) {
  const auto crop = [](const char* mode, std::vector<float> region) {
    OpTester test("Resize", 13);
    test.Attr("mode", mode).Attr("coordinate_transformation_mode", "tf_crop_and_resize");
    test.Attr("extrapolation_value", 10.0f).Input<float>({1, 5}, {1, 2, 3, 4, 5});
    test.Input<float>({4}, region).NoInput().Input<int64_t>({2}, {1, 3});
    return test;
  };
  crop("linear", {0, 0.25f, 1, 0.75f}).ExpectOutput<float>({1, 3}, {2, 3, 4}).Run();
  crop("linear", {0, 0.5f, 1, 1.5f}).ExpectOutput<float>({1, 3}, {3, 5, 10}).Run();
  crop("nearest", {0, -0.5f, 1, 0.5f}).ExpectOutput<float>({1, 3}, {10, 1, 3}).Run();
  crop("linear", {2, 0, 2, 1}).ExpectOutput<float>({1, 3}, {1, 2, 3}).Tolerance(100, 0).Run();
  crop("linear", {0, std::numeric_limits<float>::quiet_NaN(), 1, 1})
      .ExpectOutput<float>({1, 3}, {10, 10, 10})
      .Run();
}

TEST(Resize, WorksOnSeveralAxesAtOnce) {
  // Bilinear on a plane: separable, so that rows and columns may be done one after the other.
  OpTester("Resize", 13)
      .Attr("mode", "linear")
      .Input<float>({1, 1, 2, 2}, {1, 2, 3, 4})
      .NoInput()
      .Input<float>({4}, {1, 1, 2, 2})
      .ExpectOutput<float>({1, 1, 4, 4}, {1, 1.25f, 1.75f, 2, 1.5f, 1.75f, 2.25f, 2.5f, 2.5f, 2.75f,
                                          3.25f, 3.5f, 3, 3.25f, 3.75f, 4})
      .Run();
  const std::vector<float> plane = RandomValues(2 * 3 * 20 * 30, 1);
  const auto resize = [&](size_t threads) {
    OpTester test("Resize", 13);
    test.Attr("mode", "linear").ThreadCount(threads).Input<float>({2, 3, 20, 30}, plane).NoInput();
    test.Input<float>({4}, {1, 1, 3.5f, 2.5f});
    return *test.Outputs();
  };
  EXPECT_EQ(resize(1)[0].shape, (Shape{2, 3, 70, 75}));
  EXPECT_EQ(resize(1)[0].bytes, resize(2)[0].bytes);
}

TEST(Resize, ConvertsOtherNumbersThroughSinglePrecision) {
  OpTester("Resize", 13)
      .Attr("mode", "linear")
      .Input<uint8_t>({2}, {10, 20})
      .NoInput()
      .Input<float>({1}, {2})
      .ExpectOutput<uint8_t>({4}, {10, 12, 17, 20})
      .Run();
  OpTester("Resize", 13)
      .Attr("mode", "linear")
      .Input<double>({2}, {10, 20})
      .NoInput()
      .Input<float>({1}, {2})
      .ExpectOutput<double>({4}, {10, 12.5, 17.5, 20})
      .Run();
  OpTester("Resize", 13)
      .Attr("mode", "linear")
      .Input<bool>({2}, {true, false})
      .NoInput()
      .Input<float>({1}, {2})
      .ExpectError("type_unsupported");
}

TEST(Resize, NamesAxesAndKeepsTheAspectRatioFromVersion18) {
  const auto plane = [](const char* policy) {
    OpTester test("Resize", 18);
    test.Ints("axes", {2, -3}).Attr("keep_aspect_ratio_policy", policy);
    test.Input<float>({1, 2, 4}, std::vector<float>(8, 1)).NoInput().NoInput();
    test.Input<int64_t>({2}, {6, 1});
    return test;
  };
  plane("stretch").ExpectOutput<float>({1, 2, 6}, std::vector<float>(12, 1)).Run();
  plane("not_larger").ExpectOutput<float>({1, 2, 4}, std::vector<float>(8, 1)).Run();
  plane("not_smaller").ExpectOutput<float>({2, 2, 6}, std::vector<float>(24, 1)).Run();
  plane("other").ExpectError("attribute_invalid");
}

TEST(Resize, FollowsVersion10) {
  OpTester("Resize", 10)
      .Input<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .Input<float>({2}, {0.6f, 0.6f})
      .ExpectOutput<float>({1, 2}, {1, 3})
      .Run();
  OpTester("Resize", 10)
      .Input<float>({2}, {1, 2})
      .Input<float>({1}, {2})
      .ExpectOutput<float>({4}, {1, 1, 2, 2})
      .Run();
  OpTester("Resize", 10)
      .Attr("mode", "linear")
      .Input<float>({2}, {1, 2})
      .Input<float>({1}, {2})
      .ExpectOutput<float>({4}, {1, 1.5f, 2, 2})
      .Run();
  OpTester("Resize", 10).Input<float>({2}, {1, 2}).ExpectError("input_invalid");
}

TEST(Resize, PassesThroughWhatDoesntChangeAndTakesEmptyTensors) {
  RowTo(3, 3, "cubic", "half_pixel").ExpectOutput<float>({3}, {1, 2, 3}).Run();
  RowTo(3, 0, "linear", "half_pixel").ExpectOutput<float>({0}, {}).Run();
  OpTester("Resize", 13)
      .Input<float>({0, 2}, {})
      .NoInput()
      .Input<float>({2}, {1, 2})
      .ExpectOutput<float>({0, 4}, {})
      .Run();
}

TEST(Resize, RefusesWhatDoesntFit) {
  const auto row = [] {
    OpTester test("Resize", 13);
    test.Input<float>({2}, {1, 2}).NoInput();
    return test;
  };
  row().ExpectError("input_invalid");
  row().Input<float>({2}, {1, 2}).ExpectError("input_invalid");
  row().Input<float>({1}, {0}).ExpectError("input_invalid");
  row().Input<float>({1}, {-1}).ExpectError("input_invalid");
  row().Input<float>({1}, {std::numeric_limits<float>::infinity()}).ExpectError("input_invalid");
  row().Input<float>({1}, {1e30f}).ExpectError("size_overflow");
  row().Input<float>({1}, {1e11f}).ExpectError("session_memory_exceeded");
  row().Input<int32_t>({1}, {1}).ExpectError("type_unsupported");
  row().Input<float>({1}, {2}).Input<int64_t>({1}, {4}).ExpectError("input_invalid");
  row().NoInput().Input<int64_t>({1}, {-4}).ExpectError("input_invalid");
  row().NoInput().Input<int64_t>({2}, {4, 4}).ExpectError("input_invalid");
  row().NoInput().Input<int64_t>({1}, {INT64_MAX}).ExpectError("size_overflow");
  OpTester("Resize", 13)
      .Input<float>({0}, {})
      .NoInput()
      .NoInput()
      .Input<int64_t>({1}, {4})
      .ExpectError("shape_invalid");
  RowTo(2, 4, "linear", "tf_crop_and_resize").ExpectError("input_invalid");
  RowTo(2, 4, "linear", "other").ExpectError("attribute_invalid");
  RowTo(2, 4, "other", "half_pixel").ExpectError("attribute_invalid");
  RowTo(2, 4, "nearest", "half_pixel").Attr("nearest_mode", "x").ExpectError("attribute_invalid");
}

TEST(Upsample, TakesScalesAsResizeOfVersion10) {
  for (const auto& [domain, version] : {std::pair("", 9), std::pair("ephemeralml", 1)}) {
    OpTester test("Upsample", version, domain);
    test.Attr("mode", "nearest").Input<float>({1, 1, 1, 2}, {1, 2});
    test.Constant<float>({4}, {1, 1, 2, 2});
    test.ExpectOutput<float>({1, 1, 2, 4}, {1, 1, 2, 2, 1, 1, 2, 2}).Run();
  }
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
