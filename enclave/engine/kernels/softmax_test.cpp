#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

struct Case {
  Shape shape;
  size_t outer;
  size_t count;
  size_t inner;
};

// Softmax and its logarithm over the middle of [outer, count, inner], in doubles.
template <class T>
void ExpectSoftmax(const Case& c, int axis, int64_t opset) {
  const std::vector<float> random = RandomValues(c.outer * c.count * c.inner, 11);
  std::vector<T> x(random.begin(), random.end());
  for (T& value : x) value *= 5;
  std::vector<T> softmax(x.size());
  std::vector<T> logarithm(x.size());
  for (size_t o = 0; o < c.outer; ++o) {
    for (size_t i = 0; i < c.inner; ++i) {
      const size_t first = o * c.count * c.inner + i;
      double sum = 0;
      for (size_t n = 0; n < c.count; ++n) {
        sum += std::exp(static_cast<double>(x[first + n * c.inner]));
      }
      for (size_t n = 0; n < c.count; ++n) {
        const size_t at = first + n * c.inner;
        const double value = static_cast<double>(x[at]) - std::log(sum);
        logarithm[at] = static_cast<T>(value);
        softmax[at] = static_cast<T>(std::exp(value));
      }
    }
  }
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    OpTester test(op, opset);
    test.Attr("axis", axis).Tolerance(1e-6, 1e-5);
    test.Input<T>(c.shape, x);
    test.ExpectOutput<T>(c.shape, op[0] == 'S' ? softmax : logarithm);
    test.Run();
  }
}

TEST(Softmax, WorksAlongAnyAxis) {
  ExpectSoftmax<float>({{3, 5, 7}, 15, 7, 1}, -1, 13);
  ExpectSoftmax<float>({{3, 5, 7}, 3, 5, 7}, 1, 13);
  ExpectSoftmax<float>({{3, 5, 7}, 1, 3, 35}, 0, 13);
  ExpectSoftmax<double>({{3, 5, 7}, 3, 5, 7}, -2, 13);
  ExpectSoftmax<float>({{40, 6'625}, 40, 6'625, 1}, 1, 13);
  ExpectSoftmax<float>({{2, 30, 1'000}, 2, 30, 1'000}, 1, 13);
}

TEST(Softmax, TakesTheAxisAndAllBehindItBeforeVersion13) {
  ExpectSoftmax<float>({{3, 5, 7}, 3, 35, 1}, 1, 11);
  ExpectSoftmax<float>({{3, 5, 7}, 1, 105, 1}, 0, 1);
  ExpectSoftmax<float>({{3, 5, 7}, 15, 7, 1}, -1, 12);
  ExpectSoftmax<float>({{3, 5}, 15, 1, 1}, 2, 11);
  OpTester("Softmax", 11)
      .Input<float>({1, 2, 1}, {0, 0})
      .ExpectOutput<float>({1, 2, 1}, {0.5f, 0.5f})
      .Run();
  OpTester("Softmax", 13)
      .Input<float>({1, 2, 1}, {0, 0})
      .ExpectOutput<float>({1, 2, 1}, {1, 1})
      .Run();
}

TEST(Softmax, SurvivesLargeNumbersAndMasks) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  OpTester("Softmax")
      .Input<float>({3}, {1e30f, 0, -kInfinity})
      .ExpectOutput<float>({3}, {1, 0, 0})
      .Run();
  OpTester("LogSoftmax").Input<float>({2}, {1'000, 0}).ExpectOutput<float>({2}, {0, -1'000}).Run();
}

TEST(Softmax, TakesEmptyTensors) {
  OpTester("Softmax").Input<float>({0, 3}, {}).ExpectOutput<float>({0, 3}, {}).Run();
  OpTester("Softmax").Input<float>({3, 0}, {}).ExpectOutput<float>({3, 0}, {}).Run();
  OpTester("Softmax")
      .Attr("axis", 0)
      .Input<float>({3, 0}, {})
      .ExpectOutput<float>({3, 0}, {})
      .Run();
}

TEST(Softmax, RefusesWhatDoesntFit) {
  OpTester("Softmax", 13)
      .Attr("axis", 1)
      .Input<float>({2}, {1, 2})
      .ExpectError("attribute_invalid");
  OpTester("Softmax", 11)
      .Attr("axis", 2)
      .Input<float>({2}, {1, 2})
      .ExpectError("attribute_invalid");
  OpTester("Softmax").Input<float>({}, {1}).ExpectError("attribute_invalid");
  OpTester("LogSoftmax").Input<int32_t>({2}, {1, 2}).ExpectError("type_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
