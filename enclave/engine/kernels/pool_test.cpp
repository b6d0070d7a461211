#include <gtest/gtest.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

// Expected numbers are ONNX Runtime 1.30's, unless they can be seen at a glance.

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::PatternValues;

OpTester Pool(const char* op, const Shape& shape, std::vector<int64_t> kernel,
              std::vector<int64_t> strides) {
  OpTester test(op, 19);
  test.Ints("kernel_shape", std::move(kernel)).Ints("strides", std::move(strides));
  test.Input<float>(shape, PatternValues(*ElementCount(shape), 1));
  return test;
}

TEST(AveragePool, LeavesPaddingOutUnlessAsked) {
  const auto pool = [] {
    return Pool("AveragePool", {1, 1, 5, 6}, {3, 2}, {2, 3}).Ints("pads", {1, 0, 1, 1});
  };
  pool()
      .ExpectOutput<float>({1, 1, 3, 2},
                           {-0.5f, -0.21875f, 0.04166667f, 0.02083333f, -0.625f, -0.34375f})
      .Run();
  pool()
      .Attr("count_include_pad", 1)
      .ExpectOutput<float>({1, 1, 3, 2}, {-0.3333333f, -0.1458333f, 0.04166667f, 0.02083333f,
                                          -0.4166667f, -0.2291667f})
      .Run();
}

TEST(AveragePool, InCeilModeCountsNothingBeyondThePadding) {
  const auto pool = [] {
    return Pool("AveragePool", {1, 1, 6, 6}, {3, 4}, {2, 3})
        .Ints("pads", {1, 1, 1, 1})
        .Attr("ceil_mode", 1);
  };
  pool()
      .ExpectOutput<float>({1, 1, 4, 3},
                           {0, 0.234375f, 0.375f, 0.1388889f, 0.02083333f, -0.2916667f, 0.05555556f,
                            -0.0625f, -0.375f, 0.4166667f, -0.40625f, -1.625f})
      .Run();
  pool()
      .Attr("count_include_pad", 1)
      .ExpectOutput<float>({1, 1, 4, 3},
                           {0, 0.15625f, 0.125f, 0.1041667f, 0.02083333f, -0.1458333f, 0.04166667f,
                            -0.0625f, -0.1875f, 0.15625f, -0.203125f, -0.40625f})
      .Run();
}

TEST(AveragePool, SpreadsItsKernel) {
  Pool("AveragePool", {1, 1, 5, 6}, {2, 2}, {2, 2})
      .Ints("dilations", {2, 2})
      .Ints("pads", {1, 1, 0, 0})
      .ExpectOutput<float>({1, 1, 2, 3}, {-0.625f, 0.375f, 0.5625f, -0.0625f, 0.03125f, 0.21875f})
      .Run();
}

TEST(AveragePool, SlidesOverThreeAxes) {
  Pool("AveragePool", {1, 1, 2, 3, 3}, {2, 2, 2}, {1, 2, 1})
      .Ints("pads", {1, 0, 0, 0, 1, 1})
      .ExpectOutput<float>({1, 1, 2, 2, 3},
                           {-0.1875f, 0.8125f, 1.3125f, -1.125f, -0.125f, 0.375f, 0.234375f,
                            0.328125f, 0.375f, -0.25f, -0.15625f, -0.5625f})
      .Run();
}

TEST(MaxPool, SlidesOverOneAxis) {
  Pool("MaxPool", {1, 2, 6}, {3}, {2})
      .Attr("ceil_mode", 1)
      .ExpectOutput<float>({1, 2, 3}, {1.625f, 1.625f, 1, 0.375f, 1.375f, -0.25f})
      .ExpectOutput<int64_t>({1, 2, 3}, {2, 2, 5, 8, 9, 11})
      .Run();
}

TEST(MaxPool, FindsTheSameMaximaWithoutIndices) {
  const std::vector<float> expected = {0.375f, -0.625f, 1.375f, 1.625f, 1.75f, 0.125f, 1.5f,   0.5f,
                                       1.375f, 0.25f,   1.75f,  1.25f,  1.5f,  0.5f,   -1.125f};
  const auto pool = [] {
    return Pool("MaxPool", {1, 1, 5, 6}, {2, 2}, {1, 2})
        .Ints("dilations", {2, 3})
        .Ints("pads", {1, 1, 1, 1});
  };
  pool().ExpectOutput<float>({1, 1, 5, 3}, expected).Run();
  pool()
      .ExpectOutput<float>({1, 1, 5, 3}, expected)
      .ExpectOutput<int64_t>({1, 1, 5, 3}, {8, 7, 9, 2, 13, 15, 20, 19, 9, 26, 13, 27, 20, 19, 21})
      .Run();
}

TEST(MaxPool, CountsIndicesInColumnMajorOrderIfAsked) {
  Pool("MaxPool", {1, 2, 4, 4}, {2, 2}, {2, 2})
      .Attr("storage_order", 1)
      .ExpectOutput<float>({1, 2, 2, 2}, {1, 1.625f, 1.75f, 0.125f, 1.5f, 0.875f, -0.375f, 1.625f})
      .ExpectOutput<int64_t>({1, 2, 2, 2}, {5, 8, 7, 15, 17, 29, 23, 31})
      .Run();
}

TEST(MaxPool, PadsItselfIfAsked) {
  const auto pool = [](const char* auto_pad) {
    return Pool("MaxPool", {1, 1, 5, 6}, {2, 4}, {2, 3}).Attr("auto_pad", auto_pad);
  };
  pool("SAME_UPPER")
      .ExpectOutput<float>({1, 1, 3, 2}, {1.625f, 1.375f, 1.75f, 1.125f, 1.25f, 1.25f})
      .Run();
  pool("SAME_LOWER")
      .ExpectOutput<float>({1, 1, 3, 2}, {1.625f, 1.625f, 1.75f, 1.375f, 1.5f, 1.5f})
      .Run();
  pool("VALID").ExpectOutput<float>({1, 1, 2, 1}, {1.625f, 1.75f}).Run();
  pool("VALID")
      .Attr("ceil_mode", 1)
      .ExpectOutput<float>({1, 1, 3, 2}, {1.625f, 1.375f, 1.75f, 1.125f, 1.25f, 1.25f})
      .Run();
}

TEST(MaxPool, AgreesOverManyPlanesAndThreads) {
  const Shape shape = {3, 7, 31, 45};
  const auto x = testing::RandomValues(*ElementCount(shape), 5);
  const auto pool = [&](size_t threads) {
    OpTester test("MaxPool", 12);
    test.Ints("kernel_shape", {3, 3}).Ints("strides", {2, 1}).Ints("pads", {1, 1, 1, 1});
    return test.Input<float>(shape, x).ThreadCount(threads);
  };
  const auto with_indices = pool(1).Outputs(2);
  ASSERT_TRUE(with_indices.has_value());
  const auto maxima = (*with_indices)[0].Values<float>();
  const auto indices = (*with_indices)[1].Values<int64_t>();
  for (size_t i = 0; i < maxima.size(); ++i) {
    ASSERT_EQ(maxima[i], x[static_cast<size_t>(indices[i])]);
  }
  pool(3).ExpectOutput<float>((*with_indices)[0].shape, maxima).Run();
}

TEST(GlobalPools, FoldWholePlanes) {
  for (const auto& [op, expected] :
       {std::pair("GlobalAveragePool",
                  std::vector<float>{0.3125f, -0.3333333f, 0.2291667f, 0.1875f}),
        {"GlobalMaxPool", {1.625f, 1.375f, 1.75f, 1.5f}}}) {
    OpTester(op, 1)
        .Input<float>({2, 2, 3, 2}, PatternValues(24, 1))
        .ExpectOutput<float>({2, 2, 1, 1}, expected)
        .Run();
    OpTester(op, 1).Input<float>({0, 2, 3}, {}).ExpectOutput<float>({0, 2, 1}, {}).Run();
    OpTester(op, 1).Input<float>({1, 2, 0}, {}).ExpectError("shape_invalid");
    OpTester(op, 1).Input<float>({1, 2}, {1, 2}).ExpectError("shape_invalid");
    OpTester(op, 1).Input<int32_t>({1, 1, 1}, {1}).ExpectError("type_unsupported");
  }
}

TEST(Pools, MakeNothingOfNoImages) {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    OpTester(op, 12)
        .Ints("kernel_shape", {2})
        .Input<float>({0, 3, 5}, {})
        .ExpectOutput<float>({0, 3, 4}, {})
        .Run();
  }
}

// Nearly all of these windows' taps lie in the padding.
TEST(Pools, LookAtTheInputAlone) {
  constexpr int64_t kRows = int64_t{1} << 13;
  constexpr int64_t kColumns = int64_t{1} << 28;
  std::vector<float> x(kRows, 1);
  x[7] = 3;
  const auto pool = [&](const char* op) {
    OpTester test(op, 12);
    test.Ints("kernel_shape", {kRows, kColumns}).Ints("pads", {0, kColumns - 1, 0, 0});
    return test.Input<float>({1, 1, kRows, 1}, x);
  };
  pool("MaxPool").ExpectOutput<float>({1, 1, 1, 1}, {3}).Run();
  pool("MaxPool")
      .ExpectOutput<float>({1, 1, 1, 1}, {3})
      .ExpectOutput<int64_t>({1, 1, 1, 1}, {7})
      .Run();
  pool("AveragePool").ExpectOutput<float>({1, 1, 1, 1}, {1 + 2.0f / kRows}).Run();
  pool("LpPool").Attr("p", 1).ExpectOutput<float>({1, 1, 1, 1}, {kRows + 2}).Run();
}

TEST(Pools, RefuseWhatDoesNotFit) {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    const auto pool = [&](std::vector<int64_t> kernel) {
      return Pool(op, {1, 1, 3, 3}, std::move(kernel), {1, 1});
    };
    pool({4, 4}).ExpectError("shape_invalid");
    pool({2}).ExpectError("attribute_invalid");
    pool({0, 1}).ExpectError("attribute_invalid");
    pool({INT64_MAX, 1}).ExpectError("attribute_invalid");
    pool({2, 2}).Ints("pads", {2, 0, 0, 0}).ExpectError("attribute_invalid");
    pool({2, 2}).Ints("strides", {1, -1}).ExpectError("attribute_invalid");
    OpTester(op, 12).Input<float>({1, 1, 1}, {1}).ExpectError("attribute_invalid");
    OpTester(op, 12)
        .Ints("kernel_shape", {1})
        .Input<float>({1, 1}, {1})
        .ExpectError("shape_invalid");
    OpTester(op, 12)
        .Ints("kernel_shape", {1})
        .Input<int8_t>({1, 1, 1}, {1})
        .ExpectError("type_unsupported");
  }
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
