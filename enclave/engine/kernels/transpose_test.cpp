#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

// Transposes by looking every element up.
template <class T>
void ExpectTransposed(const Shape& shape, const std::vector<int64_t>& permutation) {
  std::vector<T> x(*ElementCount(shape));
  std::iota(x.begin(), x.end(), T{0});
  Shape expected_shape;
  for (const int64_t axis : permutation) expected_shape.push_back(shape[static_cast<size_t>(axis)]);
  const std::vector<int64_t> strides = Strides(shape);
  std::vector<T> expected(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i);
    int64_t from = 0;
    for (size_t axis = shape.size(); axis-- > 0;) {
      from += rest % expected_shape[axis] * strides[static_cast<size_t>(permutation[axis])];
      rest /= expected_shape[axis];
    }
    expected[i] = x[static_cast<size_t>(from)];
  }
  OpTester test("Transpose");
  test.Ints("perm", permutation);
  test.Input<T>(shape, x);
  test.ExpectOutput<T>(expected_shape, expected);
  test.Run();
}

TEST(Transpose, PermutesEveryWay) {
  std::vector<int64_t> permutation = {0, 1, 2, 3};
  do {
    ExpectTransposed<float>({2, 3, 5, 4}, permutation);
    ExpectTransposed<uint8_t>({1, 3, 1, 4}, permutation);
  } while (std::ranges::next_permutation(permutation).found);
  ExpectTransposed<int16_t>({33, 65}, {1, 0});
  ExpectTransposed<int64_t>({3, 33, 17}, {0, 2, 1});
  ExpectTransposed<float>({1, 190, 12, 32}, {0, 2, 1, 3});
  ExpectTransposed<float>({2, 24, 70, 50}, {0, 2, 3, 1});
}

TEST(Transpose, ReversesTheAxesByDefault) {
  OpTester("Transpose")
      .Input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .ExpectOutput<float>({3, 2}, {1, 4, 2, 5, 3, 6})
      .Run();
  OpTester("Transpose").Input<float>({}, {1}).ExpectOutput<float>({}, {1}).Run();
  OpTester("Transpose")
      .Weight<float>({2, 1, 2}, {1, 2, 3, 4})
      .Ints("perm", {1, 0, 2})
      .ExpectOutput<float>({1, 2, 2}, {1, 2, 3, 4})
      .Run();
}

TEST(Transpose, TakesEmptyTensors) {
  OpTester("Transpose")
      .Input<float>({2, 0, 3}, {})
      .Ints("perm", {2, 0, 1})
      .ExpectOutput<float>({3, 2, 0}, {})
      .Run();
}

TEST(Transpose, RefusesWhatIsntAPermutation) {
  for (const std::vector<int64_t>& perm :
       {std::vector<int64_t>{0, 0}, {0}, {0, 2}, {0, 1, 2}, {}, {0, INT64_MIN}}) {
    OpTester("Transpose")
        .Ints("perm", perm)
        .Input<float>({1, 1}, {1})
        .ExpectError("attribute_invalid");
  }
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
