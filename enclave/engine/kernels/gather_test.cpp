#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

TEST(Gather, TakesSlicesAlongAnyAxis) {
  const std::vector<int64_t> data = {1, 2, 3, 4, 5, 6};
  OpTester("Gather", 13)
      .Input<int64_t>({3, 2}, data)
      .Input<int64_t>({2, 2}, {0, -1, 1, 0})
      .ExpectOutput<int64_t>({2, 2, 2}, {1, 2, 5, 6, 3, 4, 1, 2})
      .Run();
  OpTester("Gather", 13)
      .Attr("axis", -1)
      .Input<int64_t>({3, 2}, data)
      .Input<int32_t>({1}, {1})
      .ExpectOutput<int64_t>({3, 1}, {2, 4, 6})
      .Run();
  OpTester("Gather", 13)
      .Attr("axis", 1)
      .Constant<int64_t>({3, 2}, data)
      .Constant<int64_t>({}, {-2})
      .ExpectOutput<int64_t>({3}, {1, 3, 5})
      .Run();
}

TEST(Gather, TakesRowsOfASealedTableHoweverItIsCut) {
  EXPECT_TRUE(rc::check([] {
    const auto rows = *rc::gen::inRange<int64_t>(1, 300);
    const auto width = *rc::gen::inRange<int64_t>(1, 200);
    const auto count = *rc::gen::inRange<size_t>(0, 60);
    const auto axis = *rc::gen::element(0, 0, 1);
    const auto indices = *rc::gen::container<std::vector<int64_t>>(
        count, rc::gen::inRange<int64_t>(axis == 0 ? -rows : -width, axis == 0 ? rows : width));
    const auto table = RandomValues(static_cast<size_t>(rows * width), 1);
    std::vector<float> expected;
    const auto from_front = [](int64_t index, int64_t extent) {
      return index < 0 ? index + extent : index;
    };
    if (axis == 0) {
      for (const int64_t index : indices) {
        const auto at = table.begin() + from_front(index, rows) * width;
        expected.insert(expected.end(), at, at + width);
      }
    } else {
      for (int64_t row = 0; row < rows; ++row) {
        for (const int64_t index : indices) {
          expected.push_back(table[static_cast<size_t>(row * width + from_front(index, width))]);
        }
      }
    }
    OpTester test("Gather", 13);
    test.Attr("axis", axis).ThreadCount(*rc::gen::inRange<size_t>(1, 4));
    const auto extent = *rc::gen::inRange<uint64_t>(1, 40);
    if (*rc::gen::arbitrary<bool>()) {
      test.ColumnWeight<float>({rows, width}, table, extent);
    } else {
      test.Weight<float>({rows, width}, table, extent);
    }
    const auto n = static_cast<int64_t>(count);
    test.Input<int64_t>({n}, indices);
    test.ExpectOutput<float>(axis == 0 ? Shape{n, width} : Shape{rows, n}, expected).Run();
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

TEST(Gather, TakesNothingFromAnEmptyAxis) {
  OpTester("Gather", 13)
      .Input<float>({0, 2}, {})
      .Input<int64_t>({0}, {})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

TEST(Gather, RefusesIndicesOutOfRangeAndOtherTypes) {
  const auto gather = [] { return OpTester("Gather", 13).Weight<float>({2, 2}, {1, 2, 3, 4}); };
  gather().Input<int64_t>({1}, {2}).ExpectError("input_invalid");
  gather().Input<int64_t>({1}, {-3}).ExpectError("input_invalid");
  gather().Input<int64_t>({1}, {INT64_MIN}).ExpectError("input_invalid");
  gather().Input<float>({1}, {0}).ExpectError("type_unsupported");
  gather().Attr("axis", 2).Input<int64_t>({1}, {0}).ExpectError("attribute_invalid");
  OpTester("Gather", 13)
      .Input<float>({}, {1})
      .Input<int64_t>({1}, {0})
      .ExpectError("attribute_invalid");
  gather().NoInput().ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
