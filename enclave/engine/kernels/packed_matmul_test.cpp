#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

const std::vector<float> kA = {1, 2, 3, 4, 5, 6};  // [2, 3]
const std::vector<float> kB = {1, 0, 2, 1, 1, 0};  // [3, 2]
const std::vector<float> kBias = {10, -20};
// kA · kB = {8, 2, 20, 5}

OpTester MatMul() { return OpTester("MatMul", 1, "ephemeralml"); }
OpTester MatMuls() { return OpTester("MatMuls", 1, "ephemeralml"); }

TEST(PackedMatMul, AddsBiasAndResidualThenActivates) {
  MatMul()
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, kBias)
      .Input<float>({2, 2}, {1, 1, 100, 1})
      .Attr("activation", "Relu")
      .ExpectOutput<float>({2, 2}, {19, 0, 130, 0})
      .Run();
}

// Numbers that bfloat16 holds, and one in A that it doesn't: 1 + 2^-8 is a tie and goes to 1.
TEST(PackedMatMul, MultipliesPairsInBfloat16) {
  MatMul()
      .Input<float>({2, 3}, {1, 2, 3 + 3 * 0x1p-9f, 4, 5, 1 + 0x1p-8f})
      .PackedWeight({3, 2}, kB, kBias, weights::PanelLayout::kMatrixPairs)
      .Input<float>({2, 2}, {1, 1, 0.001f, 1})
      .Attr("activation", "Relu")
      .Tolerance(0, 0)
      .ExpectOutput<float>({2, 2}, {19, 0, 25 + 0.001f, 0})
      .Run();
}

TEST(PackedMatMul, MultipliesPairsOfAnyShapeOnAnyNumberOfThreads) {
  for (const int64_t steps : {1, 2, 63, 770}) {
    for (const int64_t columns : {1, 64, 130}) {
      const std::vector<float> a(static_cast<size_t>(29 * steps), 0.5f);
      const std::vector<float> b(static_cast<size_t>(steps * columns), 2);
      const std::vector<float> y(static_cast<size_t>(29 * columns), static_cast<float>(steps));
      for (const size_t threads : {1, 2, 5}) {
        MatMul()
            .ThreadCount(threads)
            .Input<float>({29, steps}, a)
            .PackedWeight({steps, columns}, b, {}, weights::PanelLayout::kMatrixPairs)
            .ExpectOutput<float>({29, columns}, y)
            .Run();
      }
    }
  }
}

// Rows 4 KiB apart are moved apart first, from eight on.
TEST(PackedMatMul, MultipliesRowsThatShareACacheSet) {
  constexpr int64_t kSteps = 1024;
  for (const int64_t rows : {1, 7, 8, 29}) {
    std::vector<float> a;
    std::vector<float> y;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t step = 0; step < kSteps; ++step) {
        a.push_back(static_cast<float>(step == row ? row + 1 : 0));
      }
      y.insert(y.end(), {static_cast<float>((row + 1) * row), static_cast<float>(row + 1)});
    }
    std::vector<float> b;
    for (int64_t step = 0; step < kSteps; ++step) b.insert(b.end(), {static_cast<float>(step), 1});
    for (const size_t threads : {1, 2, 5}) {
      MatMul()
          .ThreadCount(threads)
          .Input<float>({rows, kSteps}, a)
          .MatrixWeight({kSteps, 2}, b, {})
          .Tolerance(0, 0)
          .ExpectOutput<float>({rows, 2}, y)
          .Run();
    }
  }
}

// What is copied of it is wiped; OpTester looks.
TEST(PackedMatMul, ForgetsALeftOperandThatIsAWeight) {
  constexpr int64_t kRows = 8;
  constexpr int64_t kSteps = 1024;
  std::vector<float> a;
  for (int64_t i = 0; i < kRows * kSteps; ++i) a.push_back(static_cast<float>(i % kSteps));
  const std::vector<float> b(kSteps * 2, 0.5f);
  const std::vector<float> y(kRows * 2, kSteps * (kSteps - 1) / 4.0f);
  MatMul()
      .Weight<float>({kRows, kSteps}, a)
      .MatrixWeight({kSteps, 2}, b, {})
      .ExpectOutput<float>({kRows, 2}, y)
      .Run();
}

TEST(PackedMatMul, TakesAnyLeadingAxes) {
  MatMul()
      .Input<float>({2, 1, 1, 3}, kA)
      .MatrixWeight({3, 2}, kB, {})
      .ExpectOutput<float>({2, 1, 1, 2}, {8, 2, 20, 5})
      .Run();
  MatMul()
      .Input<float>({3}, {1, 2, 3})
      .MatrixWeight({3, 2}, kB, {})
      .ExpectOutput<float>({2}, {8, 2})
      .Run();
  MatMul()
      .Input<float>({0, 3}, {})
      .MatrixWeight({3, 2}, kB, {})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

TEST(PackedMatMul, ReadsActivationsParameters) {
  MatMul()
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, {})
      .Attr("activation", "Clip")
      .Attr("activation_alpha", 3.0f)
      .Attr("activation_beta", 10.0f)
      .ExpectOutput<float>({2, 2}, {8, 3, 10, 5})
      .Run();
}

TEST(PackedMatMul, Refuses) {
  MatMul()
      .Input<float>({2, 4}, std::vector<float>(8))
      .MatrixWeight({3, 2}, kB, {})
      .ExpectError("shape_invalid");
  MatMul().Input<float>({}, {1}).MatrixWeight({3, 2}, kB, {}).ExpectError("shape_invalid");
  MatMul()
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, {})
      .Input<float>({2}, {1, 1})
      .ExpectError("shape_invalid");
  MatMul().Input<float>({2, 3}, kA).Weight<float>({3, 2}, kB).ExpectError("topology_malformed");
  MatMul().Input<float>({2, 3}, kA).Input<float>({3, 2}, kB).ExpectError("topology_malformed");
  MatMul()
      .Input<double>({2, 3}, {1, 2, 3, 4, 5, 6})
      .MatrixWeight({3, 2}, kB, {})
      .ExpectError("type_unsupported");
  MatMul()
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, {})
      .Attr("activation", "Softmax")
      .ExpectError("attribute_invalid");
}

TEST(PackedMatMuls, MultiplyOneLeftOperand) {
  MatMuls()
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, kBias)
      .MatrixWeight({3, 1}, {1, 0, -2}, {})
      .MatrixWeight({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, -3, 0})
      .Attr("activation", "Relu")
      .ExpectOutput<float>({2, 2}, {18, 0, 30, 0})
      .ExpectOutput<float>({2, 1}, {0, 0})
      .ExpectOutput<float>({2, 3}, {1, 0, 3, 4, 2, 6})
      .Run();
}

// Fewer panels than threads in one, more in the other; rows that are moved apart, and rounded.
TEST(PackedMatMuls, MultiplyWhatHasNotOneShapeOnAnyNumberOfThreads) {
  constexpr int64_t kSteps = 1024;
  const std::vector<float> a(static_cast<size_t>(40 * kSteps), 0.5f);
  const auto fill = [](int64_t rows, int64_t columns, float value) {
    return std::vector<float>(static_cast<size_t>(rows * columns), value);
  };
  for (const auto layout :
       {weights::PanelLayout::kMatrixPanels, weights::PanelLayout::kMatrixPairs}) {
    for (const size_t threads : {1, 2, 5}) {
      MatMuls()
          .ThreadCount(threads)
          .Input<float>({40, kSteps}, a)
          .PackedWeight({kSteps, 20}, fill(kSteps, 20, 2), {}, layout)
          .PackedWeight({kSteps, 450}, fill(kSteps, 450, 4), {}, layout)
          .ExpectOutput<float>({40, 20}, fill(40, 20, kSteps))
          .ExpectOutput<float>({40, 450}, fill(40, 450, 2 * kSteps))
          .Run();
    }
  }
}

TEST(PackedMatMuls, MakeResultsThatNobodyWantsAndEmptyOnes) {
  MatMuls()
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, {})
      .MatrixWeight({3, 2}, kB, kBias)
      .UnwantedOutput()
      .ExpectOutput<float>({2, 2}, {18, -18, 30, -15})
      .Run();
  MatMuls()
      .Input<float>({0, 3}, {})
      .MatrixWeight({3, 2}, kB, {})
      .MatrixWeight({3, 2}, kB, {})
      .ExpectOutput<float>({0, 2}, {})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

TEST(PackedMatMuls, RefuseWhatIsNotOneKind) {
  const auto first = [] { return MatMuls().Input<float>({2, 3}, kA).MatrixWeight({3, 2}, kB, {}); };
  const auto of_two = [](OpTester tester) -> OpTester {
    tester.ExpectOutput<float>({2, 2}, {}).ExpectOutput<float>({2, 2}, {});
    return tester;
  };
  of_two(first().MatrixWeight({2, 2}, {1, 2, 3, 4}, {})).ExpectError("shape_invalid");
  of_two(first().PackedWeight({3, 2}, kB, {}, weights::PanelLayout::kMatrixPairs))
      .ExpectError("shape_invalid");
  of_two(first().Weight<float>({3, 2}, kB)).ExpectError("topology_malformed");
  of_two(first().NoInput()).ExpectError("input_invalid");
  of_two(first()).ExpectError("input_invalid");
  first().ExpectOutput<float>({2, 2}, {8, 2, 20, 5}).ExpectError("input_invalid");
}

TEST(PackedWeight, IsRefusedByOperatorsThatDontTakeIt) {
  OpTester("Add")
      .Input<float>({3, 2}, kB)
      .MatrixWeight({3, 2}, kB, {})
      .ExpectError("topology_malformed");
  OpTester("MatMul")
      .Input<float>({2, 3}, kA)
      .MatrixWeight({3, 2}, kB, {})
      .ExpectError("topology_malformed");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
