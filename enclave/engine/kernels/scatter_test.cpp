// GatherElements, GatherND, ScatterElements, ScatterND.

#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;
using Ints = std::vector<int64_t>;

TEST(GatherElements, CountsNegativeIndicesFromTheEnd) {
  OpTester test("GatherElements");
  test.Attr("axis", 1)
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .Input<int64_t>({2, 3}, {0, -1, 1, -2, 0, 1});
  test.ExpectOutput<float>({2, 3}, {1, 2, 2, 3, 3, 4}).Run();
}

TEST(GatherElements, ReadsASealedWeight) {
  OpTester test("GatherElements");
  test.Weight<float>({2, 2}, {1, 2, 3, 4}, 1).Input<int32_t>({1, 2}, {1, 0});
  test.ExpectOutput<float>({1, 2}, {3, 2}).Run();
}

TEST(GatherElements, RefusesIndicesOutsideAndShapesThatReachBeyond) {
  for (const int64_t index : {int64_t{2}, int64_t{-3}, INT64_MAX, INT64_MIN}) {
    OpTester test("GatherElements");
    test.Input<float>({2}, {1, 2}).Input<int64_t>({1}, {index}).ExpectError("input_invalid");
  }
  OpTester wide("GatherElements");
  wide.Input<float>({1, 1}, {1}).Input<int64_t>({1, 2}, {0, 0}).ExpectError("shape_invalid");
  OpTester flat("GatherElements");
  flat.Input<float>({1, 1}, {1}).Input<int64_t>({1}, {0}).ExpectError("shape_invalid");
}

TEST(GatherNd, TakesSlicesWithinEachBatch) {
  OpTester test("GatherND");
  test.Attr("batch_dims", 1);
  test.Input<float>({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}).Input<int64_t>({2, 1}, {1, 0});
  test.ExpectOutput<float>({2, 2}, {2, 3, 4, 5}).Run();
}

TEST(GatherNd, TakesNothingWhereThereIsNothing) {
  OpTester test("GatherND");
  test.Input<float>({2, 0}, {}).Input<int64_t>({1, 1}, {1}).ExpectOutput<float>({1, 0}, {}).Run();
  OpTester none("GatherND");
  none.Input<float>({2}, {1, 2}).Input<int64_t>({0, 1}, {}).ExpectOutput<float>({0}, {}).Run();
}

// Tuples of no indices take no memory: as many as anybody likes may stand in a message.
constexpr int64_t kCountless = int64_t{1} << 28;

TEST(GatherNd, ListsNoCountlessSlices) {
  OpTester empty("GatherND");
  empty.Input<float>({0}, {}).Input<int64_t>({kCountless, 0}, {});
  empty.ExpectOutput<float>({kCountless, 0}, {}).Run();
  OpTester whole("GatherND");
  whole.Input<float>({2}, {1, 2}).Input<int64_t>({3, 0}, {});
  whole.ExpectOutput<float>({3, 2}, {1, 2, 1, 2, 1, 2}).Run();
}

TEST(GatherNd, RefusesTuplesThatNameTooMuch) {
  OpTester longer("GatherND");
  longer.Input<float>({2}, {1, 2}).Input<int64_t>({1, 2}, {0, 0}).ExpectError("shape_invalid");
  OpTester outside("GatherND");
  outside.Input<float>({2}, {1, 2}).Input<int64_t>({1, 1}, {2}).ExpectError("input_invalid");
  OpTester batches("GatherND");
  batches.Attr("batch_dims", 1).Input<float>({2, 2}, {1, 2, 3, 4});
  batches.Input<int64_t>({3, 1}, {0, 0, 0}).ExpectError("shape_invalid");
}

TEST(ScatterElements, FoldsRepeatedUpdatesIn) {
  OpTester test("ScatterElements", 18);
  test.Attr("reduction", "add").Input<int32_t>({3}, {1, 2, INT32_MAX});
  test.Input<int64_t>({4}, {0, 0, -1, 1}).Input<int32_t>({4}, {10, 20, 1, 5});
  test.ExpectOutput<int32_t>({3}, {31, 7, INT32_MIN}).Run();
}

TEST(ScatterElements, RefusesUpdatesThatDontFit) {
  OpTester shape("ScatterElements");
  shape.Input<float>({3}, {1, 2, 3}).Input<int64_t>({1}, {0}).Input<float>({2}, {1, 2});
  shape.ExpectError("shape_invalid");
  OpTester type("ScatterElements");
  type.Input<float>({3}, {1, 2, 3}).Input<int64_t>({1}, {0}).Input<double>({1}, {1});
  type.ExpectError("input_invalid");
  OpTester reduction("ScatterElements", 18);
  reduction.Attr("reduction", "mean").Input<float>({1}, {1}).Input<int64_t>({1}, {0});
  reduction.Input<float>({1}, {1}).ExpectError("attribute_invalid");
}

TEST(ScatterNd, WritesSlicesInTheirOrder) {
  OpTester test("ScatterND");
  test.Input<float>({2, 2}, {1, 2, 3, 4}).Input<int64_t>({2, 1}, {1, 1});
  test.Input<float>({2, 2}, {5, 6, 7, 8}).ExpectOutput<float>({2, 2}, {1, 2, 7, 8}).Run();
}

TEST(ScatterNd, ListsNoCountlessSlices) {
  OpTester empty("ScatterND");
  empty.Input<float>({0}, {}).Input<int64_t>({kCountless, 0}, {});
  empty.Input<float>({kCountless, 0}, {}).ExpectOutput<float>({0}, {}).Run();
  OpTester without_updates("ScatterND");
  without_updates.Input<float>({1}, {1}).Input<int64_t>({kCountless, 0}, {});
  without_updates.Input<float>({1}, {2}).ExpectError("shape_invalid");
}

TEST(ScatterNd, RefusesIndicesOutside) {
  OpTester test("ScatterND");
  test.Input<float>({2}, {1, 2}).Input<int64_t>({1, 1}, {-3}).Input<float>({1}, {1});
  test.ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine
