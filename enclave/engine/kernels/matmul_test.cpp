#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/reference/matrix.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

TEST(MatMul, TreatsOneAxisAsNumPyDoes) {
  OpTester("MatMul", 13)
      .Input<float>({2}, {1, 2})
      .Input<float>({2}, {3, 4})
      .ExpectOutput<float>({}, {11})
      .Run();
  OpTester("MatMul", 13)
      .Weight<float>({2}, {1, 2}, 1)
      .Input<float>({2, 2}, {3, 4, 5, 6})
      .ExpectOutput<float>({2}, {13, 16})
      .Run();
  OpTester("MatMul", 13)
      .Input<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .Weight<float>({2}, {1, 2}, 1)
      .ExpectOutput<float>({2, 2}, {5, 11, 17, 23})
      .Run();
}

TEST(MatMul, BroadcastsStacks) {
  const std::vector<float> a = {1, 2, 3, 4};
  const std::vector<float> b = {1, 2, 3, 4, 5, 6};
  OpTester("MatMul", 13)
      .Input<float>({2, 1, 1, 2}, a)
      .Input<float>({3, 2, 1}, b)
      .ExpectOutput<float>({2, 3, 1, 1}, {5, 11, 17, 11, 25, 39})
      .Run();
}

TEST(MatMul, TakesEmptyStacksRowsAndSums) {
  OpTester("MatMul", 13)
      .Input<float>({0, 2, 3}, {})
      .Input<float>({3, 4}, std::vector<float>(12))
      .ExpectOutput<float>({0, 2, 4}, {})
      .Run();
  OpTester("MatMul", 13)
      .Input<float>({2, 0}, {})
      .Constant<float>({0, 2}, {})
      .ExpectOutput<float>({2, 2}, {0, 0, 0, 0})
      .Run();
}

// What the operator must make of operands in C order, by the definition.
std::vector<float> Expected(const std::vector<float>& a, int64_t a_stack,
                            const std::vector<float>& b, int64_t b_stack, int64_t m, int64_t k,
                            int64_t n) {
  std::vector<float> all;
  for (int64_t i = 0; i < std::max<int64_t>({a_stack, b_stack, 1}); ++i) {
    const float* at = a.data() + (a_stack > 1 ? i * m * k : 0);
    const float* bt = b.data() + (b_stack > 1 ? i * k * n : 0);
    const auto one = reference::MultiplyPlain({m, k, n, {at, k}, {bt, n}, nullptr, n});
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

TEST(MatMul, AgreesWithPlainLoopsWhicheverOperandIsSealedHowever) {
  EXPECT_TRUE(rc::check([] {
    const auto m = *rc::gen::inRange<int64_t>(1, 30);
    const auto k = *rc::gen::inRange<int64_t>(1, 120);
    const auto n = *rc::gen::inRange<int64_t>(1, 120);
    // 0: no axis for a stack.
    const auto a_stack = *rc::gen::element<int64_t>(0, 1, 3);
    const auto b_stack = *rc::gen::element<int64_t>(0, 1, 3);
    const auto a = RandomValues(static_cast<size_t>(std::max<int64_t>(a_stack, 1) * m * k), 1);
    const auto b = RandomValues(static_cast<size_t>(std::max<int64_t>(b_stack, 1) * k * n), 2);
    OpTester test("MatMul", 13);
    test.ThreadCount(*rc::gen::inRange<size_t>(1, 4)).Tolerance(1e-4, 1e-5);
    const auto add = [&](int64_t stack, int64_t rows, int64_t columns,
                         const std::vector<float>& values) {
      const Shape shape = stack == 0 ? Shape{rows, columns} : Shape{stack, rows, columns};
      const auto extent = *rc::gen::inRange<uint64_t>(1, 50);
      const auto kept = *rc::gen::inRange(0, stack == 0 ? 3 : 2);
      if (kept == 0) test.Input<float>(shape, values);
      if (kept == 1) test.Weight<float>(shape, values, extent);
      if (kept == 2) test.ColumnWeight<float>(shape, values, extent);
    };
    add(a_stack, m, k, a);
    add(b_stack, k, n, b);
    const int64_t stack = std::max(a_stack, b_stack);
    const auto expected = Expected(a, a_stack, b, b_stack, m, k, n);
    test.ExpectOutput<float>(stack == 0 ? Shape{m, n} : Shape{stack, m, n}, expected).Run();
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

TEST(MatMul, RefusesWhatDoesNotFit) {
  const auto expect = [](const Shape& a, const Shape& b) {
    OpTester("MatMul", 13)
        .Input<float>(a, std::vector<float>(*ElementCount(a)))
        .Input<float>(b, std::vector<float>(*ElementCount(b)))
        .ExpectError("shape_invalid");
  };
  expect({2, 3}, {2, 3});
  expect({}, {1});
  expect({1}, {});
  expect({3}, {2});
  expect({2, 1, 2}, {3, 2, 1});
  OpTester("MatMul", 13)
      .Input<double>({1, 1}, {1})
      .Input<float>({1, 1}, {1})
      .ExpectError("type_unsupported");
  OpTester("MatMul", 13).Input<float>({1, 1}, {1}).ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
