// Operators that choose elements: TopK, ArgMax, Unique, NonZero, Compress, OneHot, Trilu, EyeLike.

#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

TEST(TopK, GivesEqualElementsInTheirOrderAndNanFirst) {
  OpTester test("TopK", 11);
  test.Input<float>({5}, {1, NAN, 3, 3, 2}).Input<int64_t>({1}, {4});
  test.ExpectOutput<float>({4}, {NAN, 3, 3, 2}).ExpectOutput<int64_t>({4}, {1, 2, 3, 4}).Run();
}

TEST(TopK, WorksAlongAnInnerAxisForTheSmallest) {
  OpTester test("TopK", 11);
  test.Attr("axis", 0).Attr("largest", 0);
  test.Input<int32_t>({3, 2}, {5, 1, 4, 2, 6, 0}).Input<int64_t>({1}, {2});
  test.ExpectOutput<int32_t>({2, 2}, {4, 0, 5, 1})
      .ExpectOutput<int64_t>({2, 2}, {1, 2, 0, 0})
      .Run();
}

TEST(TopK, RefusesMoreThanThereAre) {
  for (const int64_t k : {int64_t{4}, int64_t{-1}, INT64_MAX}) {
    OpTester test("TopK", 11);
    test.Input<float>({3}, {1, 2, 3}).Input<int64_t>({1}, {k}).UnwantedOutput().UnwantedOutput();
    test.ExpectError("input_invalid");
  }
}

TEST(ArgMax, GivesTheFirstOrTheLastOfEquals) {
  OpTester first("ArgMax");
  first.Input<float>({4}, {1, 5, 5, 2}).ExpectOutput<int64_t>({1}, {1}).Run();
  OpTester last("ArgMax");
  last.Attr("select_last_index", 1).Attr("keepdims", 0).Input<float>({4}, {1, 5, 5, 2});
  last.ExpectOutput<int64_t>({}, {2}).Run();
  OpTester least("ArgMin");
  least.Attr("axis", -1).Input<int8_t>({2, 2}, {3, -4, 1, 2});
  least.ExpectOutput<int64_t>({2, 1}, {1, 0}).Run();
}

TEST(ArgMax, RefusesAnEmptyAxis) {
  OpTester test("ArgMax");
  test.Input<float>({0, 2}, {}).ExpectError("shape_invalid");
}

TEST(Unique, KeepsOrderOfFirstAppearanceWhenNotSorted) {
  OpTester test("Unique");
  test.Attr("sorted", 0).Input<float>({5}, {2, 1, 1, 3, 2});
  test.ExpectOutput<float>({3}, {2, 1, 3}).ExpectOutput<int64_t>({3}, {0, 1, 3});
  test.ExpectOutput<int64_t>({5}, {0, 1, 1, 2, 0}).ExpectOutput<int64_t>({3}, {2, 2, 1}).Run();
}

TEST(Unique, SortsSlicesAndTellsNansApart) {
  OpTester slices("Unique");
  slices.Attr("axis", 0).Input<float>({3, 2}, {1, 0, 0, 5, 1, 0});
  slices.ExpectOutput<float>({2, 2}, {0, 5, 1, 0}).Run();
  OpTester nans("Unique");
  nans.Input<float>({3}, {NAN, 1, NAN}).ExpectOutput<float>({3}, {1, NAN, NAN}).Run();
}

TEST(NonZero, ListsIndicesByAxis) {
  OpTester test("NonZero");
  test.Input<float>({2, 2}, {0, 1, -0.0f, 3}).ExpectOutput<int64_t>({2, 2}, {0, 1, 1, 1}).Run();
  OpTester scalar("NonZero");
  scalar.Input<bool>({}, {true}).ExpectOutput<int64_t>({0, 1}, {}).Run();
}

TEST(Compress, KeepsSlicesAndRefusesALongerCondition) {
  OpTester test("Compress");
  test.Attr("axis", 1).Input<int8_t>({2, 3}, {1, 2, 3, 4, 5, 6}).Input<bool>({2}, {false, true});
  test.ExpectOutput<int8_t>({2, 1}, {2, 5}).Run();
  OpTester longer("Compress");
  longer.Input<float>({2}, {1, 2}).Input<bool>({3}, {false, false, true});
  longer.ExpectError("input_invalid");
}

TEST(OneHot, LeavesIndicesOutsideWithout) {
  OpTester test("OneHot");
  test.Input<int64_t>({3}, {1, -1, 7}).Input<int64_t>({}, {2}).Input<float>({2}, {0, 9});
  test.ExpectOutput<float>({3, 2}, {0, 9, 0, 9, 0, 0}).Run();
}

TEST(OneHot, CutsAFractionOffTheDepth) {
  OpTester("OneHot")
      .Input<float>({3}, {2.25f, 1, -2.25f})
      .Input<float>({1}, {2.5f})
      .Input<float>({2}, {0, 1})
      .ExpectOutput<float>({3, 2}, {0, 0, 0, 1, 0, 0})
      .Run();
}

TEST(OneHot, RefusesADepthThatIsNoSize) {
  for (const float depth : {-1.0f, 1e30f, NAN}) {
    OpTester test("OneHot");
    test.Input<int64_t>({1}, {0}).Input<float>({}, {depth}).Input<float>({2}, {0, 1});
    test.ExpectError("input_invalid");
  }
}

TEST(Trilu, TakesAnyDiagonal) {
  for (const int64_t k : {INT64_MAX, INT64_MIN}) {
    OpTester test("Trilu");
    test.Input<float>({2, 2}, {1, 2, 3, 4}).Input<int64_t>({}, {k});
    test.ExpectOutput<float>(
        {2, 2}, k > 0 ? std::vector<float>{0, 0, 0, 0} : std::vector<float>{1, 2, 3, 4});
    test.Run();
  }
  OpTester lower("Trilu");
  lower.Attr("upper", 0).Input<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  lower.ExpectOutput<float>({2, 3}, {1, 0, 0, 4, 5, 0}).Run();
}

TEST(EyeLike, PutsOnesOnADiagonalOrNowhere) {
  OpTester test("EyeLike");
  test.Attr("k", 1).Attr("dtype", 7).Input<float>({2, 3}, {0, 0, 0, 0, 0, 0});
  test.ExpectOutput<int64_t>({2, 3}, {0, 1, 0, 0, 0, 1}).Run();
  OpTester far("EyeLike");
  far.Attr("k", AttributeValue(INT64_MIN)).Input<float>({1, 1}, {7});
  far.ExpectOutput<float>({1, 1}, {0}).Run();
}

}  // namespace
}  // namespace ephemeralml::engine
