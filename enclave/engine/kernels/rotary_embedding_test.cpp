// RotaryEmbedding of both domains, and TensorScatter.

#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr int64_t kHuge = int64_t{1} << 28;

// Place 1 is a quarter turn, place 2 a half.
const std::vector<float> kCosines = {1, 0, -1};
const std::vector<float> kSines = {0, 1, 0};

OpTester Rotary(Shape shape, const std::vector<float>& x) {
  OpTester test("RotaryEmbedding", 23);
  return test.Input<float>(std::move(shape), x)
      .Weight<float>({3, 1}, kCosines)
      .Input<float>({3, 1}, kSines);
}

TEST(RotaryEmbedding, TurnsEachHeadByItsRowsPlace) {
  Rotary({1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .Input<int64_t>({1, 2}, {1, 2})
      .ExpectOutput<float>({1, 2, 2, 2}, {-2, 1, -3, -4, -6, 5, -7, -8})
      .Run();
  Rotary({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .Attr("num_heads", 2)
      .Input<int64_t>({1, 2}, {0, 1})
      .ExpectOutput<float>({1, 2, 4}, {1, 2, 3, 4, -6, 5, -8, 7})
      .Run();
}

TEST(RotaryEmbedding, PairsAreHalvesOrNeighbours) {
  const auto test = [] {
    OpTester t("RotaryEmbedding", 23);
    return t.Input<float>({1, 1, 1, 5}, {1, 2, 3, 4, 9})
        .Input<float>({1, 1, 2}, {0, 1})
        .Input<float>({1, 1, 2}, {1, 0})
        .Attr("rotary_embedding_dim", 4);
  };
  test().ExpectOutput<float>({1, 1, 1, 5}, {-3, 2, 1, 4, 9}).Run();
  test().Attr("interleaved", 1).ExpectOutput<float>({1, 1, 1, 5}, {-2, 1, 3, 4, 9}).Run();
}

TEST(RotaryEmbedding, TheContributedFormCountsFromTheFirstPlace) {
  OpTester("RotaryEmbedding", 1, "com.microsoft")
      .Input<float>({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .Input<int64_t>({1}, {1})
      .Input<float>({3, 1}, kCosines)
      .Input<float>({3, 1}, kSines)
      .ExpectOutput<float>({1, 2, 4}, {-2, 1, -4, 3, -5, -6, -7, -8})
      .Run();
}

TEST(RotaryEmbedding, Refuses) {
  const std::vector<float> x(4);
  Rotary({1, 1, 2, 2}, x).Input<int64_t>({1, 2}, {0, 3}).ExpectError("input_invalid");
  Rotary({1, 1, 2, 2}, x).Input<int64_t>({1, 2}, {0, -1}).ExpectError("input_invalid");
  Rotary({1, 1, 2, 2}, x).Input<int64_t>({2}, {0, 1}).ExpectError("shape_invalid");
  Rotary({1, 1, 1, 4}, x).Input<int64_t>({1, 1}, {0}).ExpectError("shape_invalid");
  Rotary({1, 1, 4}, x).Input<int64_t>({1, 1}, {0}).ExpectError("shape_invalid");
  Rotary({4}, x).Input<int64_t>({1, 1}, {0}).ExpectError("shape_invalid");
  Rotary({1, 1, 2, 2}, x).ExpectError("shape_invalid");
  Rotary({1, 1, 2, 2}, x).Attr("rotary_embedding_dim", 3).ExpectError("attribute_invalid");
  Rotary({1, 1, 2, 2}, x).Attr("num_heads", -1).ExpectError("attribute_invalid");
  for (const char* domain : {"", "com.microsoft"}) {
    const bool is_contributed = *domain != 0;
    const auto test = [&](int64_t place) {
      OpTester t("RotaryEmbedding", is_contributed ? 1 : 23, domain);
      t.Attr("num_heads", 1).Input<float>({1, 2, 2}, x);
      if (is_contributed) t.Input<int64_t>({1}, {place});
      return t;
    };
    const std::vector<float> wide(256);
    // More columns than a head has.
    OpTester wider = test(0);
    wider.Attr("rotary_embedding_dim", 256);
    wider.Input<float>({2, 128}, wide).Input<float>({2, 128}, wide);
    if (!is_contributed) wider.Input<int64_t>({1, 2}, {0, 1});
    wider.ExpectError("shape_invalid");
    if (!is_contributed) continue;
    for (const int64_t place : {INT64_MAX, INT64_MIN, int64_t{1}}) {
      test(place)
          .Input<float>({2, 1}, {1, 1})
          .Input<float>({2, 1}, {0, 0})
          .ExpectError("input_invalid");
    }
  }
  Rotary({kHuge, 0, 1, 2}, {})
      .Input<int64_t>({1, 1}, {0})
      .ExpectOutput<float>({kHuge, 0, 1, 2}, {})
      .Run();
}

OpTester Scatter(int64_t first, int64_t second) {
  OpTester test("TensorScatter", 24);
  return test.Input<float>({2, 3, 1}, {1, 2, 3, 4, 5, 6})
      .Input<float>({2, 2, 1}, {10, 20, 30, 40})
      .Input<int64_t>({2}, {first, second});
}

TEST(TensorScatter, WritesFromEachPlaceOn) {
  Scatter(0, 1).ExpectOutput<float>({2, 3, 1}, {10, 20, 3, 4, 30, 40}).Run();
  Scatter(2, 1)
      .Attr("mode", "circular")
      .ExpectOutput<float>({2, 3, 1}, {20, 2, 10, 4, 30, 40})
      .Run();
  OpTester("TensorScatter", 24)
      .Attr("axis", 1)
      .Weight<int16_t>({1, 2, 2}, {1, 2, 3, 4})
      .Input<int16_t>({1, 1, 2}, {8, 9})
      .ExpectOutput<int16_t>({1, 2, 2}, {8, 9, 3, 4})
      .Run();
}

TEST(TensorScatter, Refuses) {
  Scatter(0, 2).ExpectError("input_invalid");
  Scatter(-1, 0).ExpectError("input_invalid");
  Scatter(3, 0).Attr("mode", "circular").ExpectError("input_invalid");
  Scatter(0, 0).Attr("mode", "around").ExpectError("attribute_invalid");
  Scatter(0, 0).Attr("axis", 0).ExpectError("shape_invalid");
  Scatter(0, 0).Attr("axis", 5).ExpectError("attribute_invalid");
  OpTester("TensorScatter", 24)
      .Input<float>({1, 1, 1}, {1})
      .Input<float>({1, 2, 1}, {1, 2})
      .ExpectError("shape_invalid");
  OpTester("TensorScatter", 24)
      .Input<float>({1, 1, 1}, {1})
      .Input<int32_t>({1, 1, 1}, {1})
      .ExpectError("input_invalid");
  OpTester("TensorScatter", 24)
      .Input<float>({kHuge, 2, 0}, {})
      .Input<float>({kHuge, 1, 0}, {})
      .ExpectOutput<float>({kHuge, 2, 0}, {})
      .Run();
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
