#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

TEST(Einsum, MultipliesMatricesUnderAnEllipsis) {
  OpTester test("Einsum");
  test.Attr("equation", "...ij, ...jk -> ...ik");
  test.Input<float>({2, 1, 2}, {1, 2, 3, 4}).Input<float>({1, 2, 2}, {1, 0, 0, 1});
  test.ExpectOutput<float>({2, 1, 2}, {1, 2, 3, 4}).Run();
}

TEST(Einsum, SumsDiagonalsAndWithoutAnOutputTerm) {
  OpTester trace("Einsum");
  trace.Attr("equation", "ii").Input<int32_t>({2, 2}, {1, 2, 3, 4});
  trace.ExpectOutput<int32_t>({}, {5}).Run();
  OpTester product("Einsum");
  product.Attr("equation", "ij,j").Weight<float>({2, 2}, {1, 2, 3, 4}).Input<float>({2}, {10, 1});
  product.ExpectOutput<float>({2}, {12, 34}).Run();
  OpTester empty("Einsum");
  empty.Attr("equation", "ij->i").Input<float>({2, 0}, {}).ExpectOutput<float>({2}, {0, 0}).Run();
}

TEST(Einsum, RefusesEquationsThatAreNone) {
  for (const char* equation : {"i->j", "i->ii", "..", "i->i->i", "i,j", "1", "......"}) {
    OpTester test("Einsum");
    test.Attr("equation", equation).Input<float>({2}, {1, 2}).ExpectError("attribute_invalid");
  }
}

TEST(Einsum, RefusesShapesThatDontFit) {
  OpTester rank("Einsum");
  rank.Attr("equation", "ij->i").Input<float>({2}, {1, 2}).ExpectError("shape_invalid");
  OpTester extent("Einsum");
  extent.Attr("equation", "i,i->").Input<float>({2}, {1, 2}).Input<float>({3}, {1, 2, 3});
  extent.ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine
