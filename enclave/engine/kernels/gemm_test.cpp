#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/reference/matrix.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

TEST(Gemm, MultipliesAndAdds) {
  OpTester test("Gemm", 13);
  test.Input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).Input<float>({3, 2}, {1, 0, 0, 1, 1, 1});
  test.Input<float>({2}, {10, 20}).ExpectOutput<float>({2, 2}, {14, 25, 20, 31}).Run();
}

TEST(Gemm, AppliesAlphaAndBeta) {
  OpTester test("Gemm", 13);
  test.Attr("alpha", 0.5f).Attr("beta", 2.0f);
  test.Input<float>({1, 2}, {2, 4}).Input<float>({2, 1}, {3, 5}).Constant<float>({}, {7});
  test.ExpectOutput<float>({1, 1}, {27}).Run();
}

TEST(Gemm, TakesAnEmptySumAndEmptyRows) {
  OpTester("Gemm", 13)
      .Input<float>({2, 0}, {})
      .Input<float>({0, 2}, {})
      .Input<float>({2, 1}, {1, 2})
      .ExpectOutput<float>({2, 2}, {1, 1, 2, 2})
      .Run();
  OpTester("Gemm", 13)
      .Input<float>({0, 2}, {})
      .Weight<float>({2, 2}, {1, 2, 3, 4})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

enum class Kept { kPlain, kRows, kColumns };

void AddMatrix(OpTester& test, Kept kept, const Shape& shape, const std::vector<float>& values,
               uint64_t extent) {
  if (kept == Kept::kPlain) test.Input<float>(shape, values);
  if (kept == Kept::kRows) test.Weight<float>(shape, values, extent);
  if (kept == Kept::kColumns) test.ColumnWeight<float>(shape, values, extent);
}

TEST(Gemm, AgreesWithPlainLoopsWhicheverOperandIsSealedHowever) {
  EXPECT_TRUE(rc::check([] {
    const auto m = *rc::gen::inRange<int64_t>(1, 40);
    const auto k = *rc::gen::inRange<int64_t>(1, 150);
    const auto n = *rc::gen::inRange<int64_t>(1, 150);
    const auto transpose_a = *rc::gen::arbitrary<bool>();
    const auto transpose_b = *rc::gen::arbitrary<bool>();
    const auto kept = [] { return *rc::gen::element(Kept::kPlain, Kept::kRows, Kept::kColumns); };
    const auto a = RandomValues(static_cast<size_t>(m * k), 1);
    const auto b = RandomValues(static_cast<size_t>(k * n), 2);
    const auto c = RandomValues(static_cast<size_t>(m), 3);
    std::vector<float> expected(static_cast<size_t>(m * n));
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = c[i / static_cast<size_t>(n)];
    expected = reference::MultiplyPlain({m,
                                         k,
                                         n,
                                         {a.data(), transpose_a ? m : k, transpose_a},
                                         {b.data(), transpose_b ? k : n, transpose_b},
                                         expected.data(),
                                         n,
                                         0.5f,
                                         2.0f});
    OpTester test("Gemm", 13);
    test.Attr("alpha", 0.5f).Attr("beta", 2.0f).Attr("transA", transpose_a);
    test.Attr("transB", transpose_b).ThreadCount(*rc::gen::inRange<size_t>(1, 4));
    AddMatrix(test, kept(), transpose_a ? Shape{k, m} : Shape{m, k}, a,
              *rc::gen::inRange<uint64_t>(1, 60));
    AddMatrix(test, kept(), transpose_b ? Shape{n, k} : Shape{k, n}, b,
              *rc::gen::inRange<uint64_t>(1, 60));
    test.Weight<float>({m, 1}, c).Tolerance(1e-4, 1e-5).ExpectOutput<float>({m, n}, expected);
    test.Run();
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

TEST(Gemm, RefusesWhatDoesNotFit) {
  OpTester("Gemm", 13)
      .Input<float>({2, 3}, std::vector<float>(6))
      .Input<float>({2, 3}, std::vector<float>(6))
      .ExpectError("shape_invalid");
  OpTester("Gemm", 13)
      .Input<float>({1, 2, 3}, std::vector<float>(6))
      .Input<float>({3, 2}, std::vector<float>(6))
      .ExpectError("shape_invalid");
  OpTester("Gemm", 13)
      .Input<float>({1, 1}, {1})
      .Input<float>({1, 1}, {1})
      .Input<float>({2, 2}, std::vector<float>(4))
      .ExpectError("shape_invalid");
  OpTester("Gemm", 13)
      .Input<int32_t>({1, 1}, {1})
      .Input<int32_t>({1, 1}, {1})
      .ExpectError("type_unsupported");
  OpTester("Gemm", 9)
      .Input<float>({1, 1}, {1})
      .Input<float>({1, 1}, {1})
      .ExpectError("input_invalid");
  OpTester("Gemm", 13).Input<float>({1, 1}, {1}).NoInput().ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
