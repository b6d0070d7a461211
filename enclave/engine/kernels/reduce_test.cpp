#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// All four reductions of random numbers over some axes, by plain loops.
void ExpectReductions(const Shape& shape, const std::vector<int64_t>& axes) {
  const std::vector<float> x = RandomValues(*ElementCount(shape), 9);
  Shape kept;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const bool reduced = std::ranges::count(axes, static_cast<int64_t>(axis)) > 0;
    kept.push_back(reduced ? 1 : shape[axis]);
  }
  const std::vector<int64_t> strides = Strides(kept);
  const size_t results = *ElementCount(kept);
  std::vector<double> sum(results, 0);
  std::vector<float> highest(results, -kInfinity);
  std::vector<float> lowest(results, kInfinity);
  for (size_t i = 0; i < x.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t to = 0;
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (kept[axis] != 1) to += rest % shape[axis] * strides[axis];
      rest /= shape[axis];
    }
    const auto at = static_cast<size_t>(to);
    sum[at] += static_cast<double>(x[i]);
    highest[at] = std::max(highest[at], x[i]);
    lowest[at] = std::min(lowest[at], x[i]);
  }
  const double count = static_cast<double>(x.size()) / static_cast<double>(results);
  std::vector<float> mean(results);
  for (size_t i = 0; i < results; ++i) mean[i] = static_cast<float>(sum[i] / count);
  const std::vector<float> sums(sum.begin(), sum.end());
  const auto expect = [&](const char* op, const std::vector<float>& expected) {
    OpTester test(op, 18);
    test.Input<float>(shape, x).Constant<int64_t>({std::ssize(axes)}, axes);
    test.ExpectOutput<float>(kept, expected).Run();
  };
  expect("ReduceSum", sums);
  expect("ReduceMean", mean);
  expect("ReduceMax", highest);
  expect("ReduceMin", lowest);
}

TEST(Reduce, AgreesWithPlainLoopsOverAnyAxes) {
  const Shape shape = {5, 7, 3, 11};
  for (unsigned mask = 1; mask < 16; ++mask) {
    std::vector<int64_t> axes;
    for (int64_t axis = 0; axis < 4; ++axis) {
      if ((mask >> axis & 1) != 0) axes.push_back(axis);
    }
    ExpectReductions(shape, axes);
  }
  ExpectReductions({1, 190, 129}, {2});
  ExpectReductions({300, 200}, {0});
  ExpectReductions({3, 70, 150}, {1});
}

TEST(Reduce, TakesAxesFromAttributesBeforeTheirVersion) {
  OpTester("ReduceSum", 12)
      .Ints("axes", {-1})
      .Attr("keepdims", 0)
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .ExpectOutput<float>({2}, {3, 7})
      .Run();
  OpTester("ReduceMean", 17)
      .Ints("axes", {0})
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .ExpectOutput<float>({1, 2}, {2, 3})
      .Run();
  OpTester("ReduceSum", 13)
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {0})
      .ExpectOutput<float>({1}, {3})
      .Run();
  OpTester("ReduceMax", 17)
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {0})
      .ExpectError("input_invalid");
}

TEST(Reduce, ReducesEverythingWithoutAxesUnlessTold) {
  OpTester("ReduceMax", 13)
      .Attr("keepdims", 0)
      .Input<float>({2, 2}, {1, 4, 2, 3})
      .ExpectOutput<float>({}, {4})
      .Run();
  OpTester("ReduceSum", 13)
      .Input<float>({2, 2}, {1, 4, 2, 3})
      .Input<int64_t>({0}, {})
      .ExpectOutput<float>({1, 1}, {10})
      .Run();
  OpTester("ReduceSum", 13)
      .Attr("noop_with_empty_axes", 1)
      .Input<float>({2}, {1, 4})
      .ExpectOutput<float>({2}, {1, 4})
      .Run();
  OpTester("ReduceMin", 18)
      .Attr("noop_with_empty_axes", 1)
      .Input<float>({2}, {1, 4})
      .NoInput()
      .ExpectOutput<float>({2}, {1, 4})
      .Run();
  OpTester("ReduceSum", 13).Input<float>({}, {5}).ExpectOutput<float>({}, {5}).Run();
}

TEST(Reduce, CountsIntegersInTheirOwnType) {
  OpTester("ReduceSum")
      .Input<int32_t>({2}, {INT32_MAX, 1})
      .ExpectOutput<int32_t>({1}, {INT32_MIN})
      .Run();
  OpTester("ReduceSum").Input<int64_t>({3, 1}, {1, 2, 3}).ExpectOutput<int64_t>({1, 1}, {6}).Run();
  OpTester("ReduceMean").Input<int32_t>({2}, {-2, -3}).ExpectOutput<int32_t>({1}, {-2}).Run();
  OpTester("ReduceMax").Input<int8_t>({3}, {-5, -3, -4}).ExpectOutput<int8_t>({1}, {-3}).Run();
  OpTester("ReduceMin").Input<uint8_t>({3}, {5, 3, 4}).ExpectOutput<uint8_t>({1}, {3}).Run();
  OpTester("ReduceMean").Input<double>({2}, {1, 2}).ExpectOutput<double>({1}, {1.5}).Run();
}

TEST(Reduce, ReducesBooleansFromVersion20) {
  OpTester("ReduceMax", 20)
      .Input<bool>({2, 2}, {false, true, false, false})
      .Input<int64_t>({1}, {1})
      .ExpectOutput<bool>({2, 1}, {true, false})
      .Run();
  OpTester("ReduceMin", 20)
      .Input<bool>({2, 2}, {false, true, true, true})
      .Input<int64_t>({1}, {1})
      .ExpectOutput<bool>({2, 1}, {false, true})
      .Run();
  OpTester("ReduceMax", 18).Input<bool>({2}, {true, true}).ExpectError("type_unsupported");
  OpTester("ReduceSum", 21).Input<bool>({2}, {true, true}).ExpectError("type_unsupported");
}

TEST(Reduce, GivesTheIdentityForNoElements) {
  const auto empty = [](const char* op) {
    OpTester test(op, 18);
    test.Input<float>({2, 0}, {}).Input<int64_t>({1}, {1});
    return test;
  };
  empty("ReduceSum").ExpectOutput<float>({2, 1}, {0, 0}).Run();
  empty("ReduceMean").ExpectOutput<float>({2, 1}, {kNan, kNan}).Run();
  empty("ReduceMax").ExpectOutput<float>({2, 1}, {-kInfinity, -kInfinity}).Run();
  empty("ReduceMin").ExpectOutput<float>({2, 1}, {kInfinity, kInfinity}).Run();
  OpTester("ReduceMax", 18).Input<int32_t>({0}, {}).ExpectOutput<int32_t>({1}, {INT32_MIN}).Run();
  OpTester("ReduceMean", 18).Input<int32_t>({0}, {}).ExpectError("shape_invalid");
  OpTester("ReduceSum", 18)
      .Input<float>({0, 3}, {})
      .Input<int64_t>({1}, {1})
      .ExpectOutput<float>({0, 1}, {})
      .Run();
}

TEST(Reduce, LetsNanWin) {
  for (const char* op : {"ReduceMax", "ReduceMin", "ReduceSum"}) {
    OpTester(op).Input<float>({3}, {1, kNan, 2}).ExpectOutput<float>({1}, {kNan}).Run();
  }
}

TEST(Reduce, EndsAtTheLargestIntegerWhatARootCantHold) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  OpTester("ReduceL2")
      .Input<int32_t>({2}, {kMost, kMost})
      .ExpectOutput<int32_t>({1}, {kMost})
      .Run();
  OpTester("ReduceL2")
      .Input<int32_t>({3}, {kMost, kMost, kMost})
      .ExpectOutput<int32_t>({1}, {0})
      .Run();
}

TEST(Reduce, RefusesWhatDoesntFit) {
  OpTester("ReduceSum", 13)
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {1})
      .ExpectError("attribute_invalid");
  OpTester("ReduceSum", 13)
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({2}, {0, -1})
      .ExpectError("attribute_invalid");
  OpTester("ReduceSum", 12)
      .Attr("axes", 1)
      .Input<float>({2}, {1, 2})
      .ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
