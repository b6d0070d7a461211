#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

template <class T>
std::vector<T> RandomBytes(size_t count, uint64_t seed) {
  std::vector<T> bytes(count);
  const std::vector<float> values = RandomValues(count, seed);
  for (size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<T>(static_cast<int>(std::floor(values[i] * 64)));
  }
  return bytes;
}

// One product [m, k] * [k, n], by the definition.
template <class A, class B>
std::vector<int32_t> Plain(const A* a, const B* b, int m, int k, int n,
                           const std::vector<int>& zero_of_a, const std::vector<int>& zero_of_b) {
  std::vector<int32_t> c(static_cast<size_t>(m * n));
  for (int row = 0; row < m; ++row) {
    for (int column = 0; column < n; ++column) {
      int64_t sum = 0;
      for (int i = 0; i < k; ++i) {
        const int left = a[row * k + i] - zero_of_a[static_cast<size_t>(row) % zero_of_a.size()];
        const int right =
            b[i * n + column] - zero_of_b[static_cast<size_t>(column) % zero_of_b.size()];
        sum += left * right;
      }
      c[static_cast<size_t>(row * n + column)] = static_cast<int32_t>(sum);
    }
  }
  return c;
}

TEST(MatMulInteger, MatchesTheExampleOfItsDefinition) {
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0})
      .Input<uint8_t>({3, 2}, {1, 4, 2, 5, 3, 6})
      .Input<uint8_t>({1}, {12})
      .Input<uint8_t>({1}, {0})
      .ExpectOutput<int32_t>({4, 2}, {-38, -83, -44, -98, -50, -113, -56, -128})
      .Run();
}

template <class A, class B>
void ExpectProduct(int m, int k, int n) {
  SCOPED_TRACE(std::to_string(m) + " " + std::to_string(k) + " " + std::to_string(n));
  const auto a = RandomBytes<A>(static_cast<size_t>(m * k), 1);
  const auto b = RandomBytes<B>(static_cast<size_t>(k * n), 2);
  const auto expected = Plain(a.data(), b.data(), m, k, n, {3}, {-5 + 10 * (B(-1) > 0)});
  const auto zero = static_cast<B>(-5 + 10 * (B(-1) > 0));
  for (const uint64_t extent : {0, 1, 3}) {
    OpTester("MatMulInteger", 10)
        .Input<A>({m, k}, a)
        .template ColumnWeight<B>({k, n}, b, extent)
        .template Input<A>({}, {3})
        .template Input<B>({}, {zero})
        .template ExpectOutput<int32_t>({m, n}, expected)
        .Run();
  }
  OpTester("MatMulInteger", 10)
      .Weight<A>({m, k}, a, 1)
      .template Weight<B>({k, n}, b, 1)
      .template Input<A>({}, {3})
      .template Input<B>({}, {zero})
      .template ExpectOutput<int32_t>({m, n}, expected)
      .Run();
}

TEST(MatMulInteger, TakesBothSignsOddShapesAndSealedOperands) {
  for (const auto& [m, k, n] : {std::array{1, 1, 1}, {3, 17, 5}, {1, 300, 9}, {40, 33, 67}}) {
    ExpectProduct<int8_t, int8_t>(m, k, n);
    ExpectProduct<uint8_t, int8_t>(m, k, n);
    ExpectProduct<int8_t, uint8_t>(m, k, n);
    ExpectProduct<uint8_t, uint8_t>(m, k, n);
  }
}

TEST(MatMulInteger, TakesZeroPointsForEachRowAndColumn) {
  const auto a = RandomBytes<uint8_t>(6, 1);
  const auto b = RandomBytes<int8_t>(12, 2);
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({2, 3}, a)
      .ColumnWeight<int8_t>({3, 4}, b, 3)
      .Input<uint8_t>({2}, {100, 7})
      .Input<int8_t>({4}, {1, -2, 3, -4})
      .ExpectOutput<int32_t>({2, 4}, Plain(a.data(), b.data(), 2, 3, 4, {100, 7}, {1, -2, 3, -4}))
      .Run();
}

TEST(MatMulInteger, TakesStacksWithZeroPointsOfTheirOwn) {
  const auto a = RandomBytes<uint8_t>(2 * 2 * 3, 1);
  const auto b = RandomBytes<int8_t>(2 * 3 * 4, 2);
  std::vector<int32_t> expected = Plain(a.data(), b.data(), 2, 3, 4, {1, 2}, {1, 2, 3, 4});
  const auto second = Plain(a.data() + 6, b.data() + 12, 2, 3, 4, {3, 4}, {5, 6, 7, 8});
  expected.insert(expected.end(), second.begin(), second.end());
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({2, 2, 3}, a)
      .Weight<int8_t>({2, 3, 4}, b, 1)
      .Input<uint8_t>({2, 2, 1}, {1, 2, 3, 4})
      .Input<int8_t>({2, 1, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .ExpectOutput<int32_t>({2, 2, 4}, expected)
      .Run();
}

TEST(MatMulInteger, SumsLongRowsExactly) {
  constexpr int kLong = 40'000;
  const std::vector<uint8_t> a(kLong, 255);
  const std::vector<uint8_t> b(kLong, 255);
  const auto sum = static_cast<int32_t>(static_cast<uint32_t>(int64_t{kLong} * 255 * 255));
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({1, kLong}, a)
      .Input<uint8_t>({kLong, 1}, b)
      .ExpectOutput<int32_t>({1, 1}, {sum})
      .Run();
}

TEST(MatMulInteger, TakesEmptyOperandsAndVectors) {
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({2, 0}, {})
      .Input<int8_t>({0, 2}, {})
      .ExpectOutput<int32_t>({2, 2}, {0, 0, 0, 0})
      .Run();
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({0, 2}, {})
      .Input<int8_t>({2, 2}, {1, 2, 3, 4})
      .ExpectOutput<int32_t>({0, 2}, {})
      .Run();
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({2}, {3, 4})
      .Input<int8_t>({2}, {5, -6})
      .ExpectOutput<int32_t>({}, {-9})
      .Run();
}

TEST(MatMulInteger, RefusesWhatDoesntFit) {
  const auto two = [] {
    OpTester test("MatMulInteger", 10);
    test.Input<uint8_t>({2, 2}, {1, 2, 3, 4}).Input<int8_t>({2, 2}, {1, 2, 3, 4});
    return test;
  };
  two().Input<uint8_t>({3}, {1, 2, 3}).ExpectError("shape_invalid");
  two().Input<int8_t>({}, {1}).ExpectError("input_invalid");
  OpTester("MatMulInteger", 10)
      .Input<uint8_t>({2, 3}, {1, 2, 3, 4, 5, 6})
      .Input<int8_t>({2, 2}, {1, 2, 3, 4})
      .ExpectError("shape_invalid");
  OpTester("MatMulInteger", 10)
      .Input<float>({1, 1}, {1})
      .Input<int8_t>({1, 1}, {1})
      .ExpectError("type_unsupported");
}

TEST(QLinearMatMul, MatchesTheExampleOfItsDefinition) {
  OpTester("QLinearMatMul", 10)
      .Input<uint8_t>({2, 4}, {208, 236, 0, 238, 3, 214, 255, 29})
      .Input<float>({1}, {0.0066F})
      .Input<uint8_t>({1}, {113})
      .ColumnWeight<uint8_t>({4, 3}, {152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247}, 2)
      .Input<float>({1}, {0.00705F})
      .Input<uint8_t>({1}, {114})
      .Input<float>({1}, {0.0107F})
      .Input<uint8_t>({1}, {118})
      .ExpectOutput<uint8_t>({2, 3}, {168, 115, 255, 1, 66, 151})
      .Run();
}

TEST(QLinearMatMul, TakesScalesForEachRowAndColumn) {
  const auto a = RandomBytes<int8_t>(2 * 5, 1);
  const auto b = RandomBytes<int8_t>(5 * 3, 2);
  const auto sums = Plain(a.data(), b.data(), 2, 5, 3, {1, 2}, {3, 4, 5});
  const std::vector<float> of_a = {0.5F, 0.25F};
  const std::vector<float> of_b = {0.125F, 0.0625F, 0.25F};
  std::vector<int8_t> expected;
  for (size_t i = 0; i < sums.size(); ++i) {
    const double value = double{of_a[i / 3]} * of_b[i % 3] / 8.0 * sums[i];
    expected.push_back(static_cast<int8_t>(std::clamp(std::nearbyint(value) + 9.0, -128.0, 127.0)));
  }
  OpTester("QLinearMatMul", 21)
      .Input<int8_t>({2, 5}, a)
      .Input<float>({2}, of_a)
      .Input<int8_t>({2}, {1, 2})
      .Input<int8_t>({5, 3}, b)
      .Input<float>({3}, of_b)
      .Input<int8_t>({3}, {3, 4, 5})
      .Input<float>({}, {8})
      .Input<int8_t>({}, {9})
      .ExpectOutput<int8_t>({2, 3}, expected)
      .Run();
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
