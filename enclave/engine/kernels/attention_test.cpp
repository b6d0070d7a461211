#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

std::vector<float> Random(const Shape& shape, uint64_t seed) {
  return testing::RandomValues(*ElementCount(shape), seed, 1);
}

struct Sizes {
  size_t batch = 1;
  size_t heads = 1;
  size_t queries = 1;
  size_t keys = 1;
  size_t columns = 1;        // of a head
  size_t value_columns = 1;  // of a head
};

// The definition, in double precision. `mask` has a number for every score.
std::vector<float> Attention(const Sizes& s, const std::vector<float>& q,
                             const std::vector<float>& k, const std::vector<float>& v,
                             const std::vector<float>& mask, double scale) {
  std::vector<float> y;
  for (size_t b = 0; b < s.batch; ++b) {
    for (size_t i = 0; i < s.queries; ++i) {
      for (size_t h = 0; h < s.heads; ++h) {
        std::vector<double> weights;
        double sum = 0;
        for (size_t j = 0; j < s.keys; ++j) {
          double score = 0;
          for (size_t c = 0; c < s.columns; ++c) {
            score += static_cast<double>(q[((b * s.queries + i) * s.heads + h) * s.columns + c]) *
                     k[((b * s.keys + j) * s.heads + h) * s.columns + c];
          }
          const float m = mask[((b * s.heads + h) * s.queries + i) * s.keys + j];
          weights.push_back(std::exp(score * scale + m));
          sum += weights.back();
        }
        for (size_t c = 0; c < s.value_columns; ++c) {
          double total = 0;
          for (size_t j = 0; j < s.keys; ++j) {
            total += weights[j] / sum * v[((b * s.keys + j) * s.heads + h) * s.value_columns + c];
          }
          y.push_back(static_cast<float>(total));
        }
      }
    }
  }
  return y;
}

// Rounded so that nothing changes when it is rounded to bfloat16.
std::vector<float> Coarse(std::vector<float> values) {
  for (float& value : values) value = std::round(value * 64) / 64;
  return values;
}

void ExpectAttention(const Sizes& s, const Shape& mask_shape, bool in_bfloat16 = false) {
  SCOPED_TRACE(::testing::Message()
               << s.batch << " x " << s.heads << " heads, " << s.queries << " over " << s.keys
               << ", " << s.columns << " and " << s.value_columns);
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  const Shape q_shape = {size(s.batch), size(s.queries), size(s.heads * s.columns)};
  const Shape k_shape = {size(s.batch), size(s.keys), size(s.heads * s.columns)};
  const Shape v_shape = {size(s.batch), size(s.keys), size(s.heads * s.value_columns)};
  const auto q = Coarse(Random(q_shape, 1));
  const auto k = Coarse(Random(k_shape, 2));
  const auto v = Coarse(Random(v_shape, 3));
  const float scale = 0.7f;
  std::vector<float> mask;
  std::vector<float> full(s.batch * s.heads * s.queries * s.keys, 0.0f);
  if (!mask_shape.empty()) {
    mask = Random(mask_shape, 4);
    Shape padded(4 - mask_shape.size(), 1);
    padded.insert(padded.end(), mask_shape.begin(), mask_shape.end());
    for (size_t i = 0; i < full.size(); ++i) {
      const size_t at[] = {i / (s.keys * s.queries * s.heads), i / (s.keys * s.queries) % s.heads,
                           i / s.keys % s.queries, i % s.keys};
      size_t index = 0;
      for (size_t axis = 0; axis < 4; ++axis) {
        index = index * static_cast<size_t>(padded[axis]) + (padded[axis] == 1 ? 0 : at[axis]);
      }
      full[i] = mask[index];
    }
  }
  OpTester test("Attention", 1, "ephemeralml");
  test.Attr("heads", static_cast<int>(s.heads)).Attr("scale", scale);
  if (in_bfloat16) test.Attr("compute", "bfloat16");
  test.Input<float>(q_shape, q).Input<float>(k_shape, k).Input<float>(v_shape, v);
  if (!mask_shape.empty()) test.Input<float>(mask_shape, mask);
  test.ExpectOutput<float>({size(s.batch), size(s.queries), size(s.heads * s.value_columns)},
                           Attention(s, q, k, v, full, scale))
      // Of weights that are rounded; values are at most 1.
      .Tolerance(in_bfloat16 ? 0x1p-9 : 2e-6, 2e-6)
      .Run();
}

TEST(Attention, EqualsItsDefinition) {
  for (const size_t keys : {1, 3, 16, 17, 64, 65, 130}) {
    for (const size_t queries : {1, 5, 24, 25, 49}) {
      ExpectAttention({1, 2, queries, keys, 8, 8}, {});
    }
  }
  for (const size_t columns : {1, 3, 16, 20, 32, 64, 80}) {
    ExpectAttention({2, 3, 7, 33, columns, 16}, {});
    ExpectAttention({2, 3, 7, 33, 16, columns}, {});
  }
}

TEST(Attention, EqualsItsDefinitionInBfloat16) {
  for (const size_t keys : {1, 2, 3, 16, 17, 64, 65, 130}) {
    for (const size_t queries : {1, 5, 29}) {
      ExpectAttention({2, 2, queries, keys, 8, 8}, {}, true);
    }
  }
  for (const size_t columns : {1, 3, 16, 20, 31, 32, 64, 80}) {
    ExpectAttention({2, 3, 7, 33, columns, 16}, {33}, true);
    ExpectAttention({2, 3, 7, 33, 16, columns}, {33}, true);
  }
}

// One query over two keys, of one column.
void ExpectOf(float query, const std::vector<float>& keys, const std::vector<float>& values,
              const std::vector<float>& mask, float in_bfloat16, float in_float32) {
  for (const bool rounds : {false, true}) {
    OpTester test("Attention", 1, "ephemeralml");
    test.Attr("heads", 1).Input<float>({1, 1, 1}, {query}).Input<float>({1, 2, 1}, keys);
    test.Input<float>({1, 2, 1}, values).Input<float>({2}, mask);
    if (rounds) test.Attr("compute", "bfloat16");
    test.ExpectOutput<float>({1, 1, 1}, {rounds ? in_bfloat16 : in_float32});
    test.Tolerance(1e-5, 1e-5).Run();
  }
}

TEST(Attention, RoundsEachFactorToBfloat16) {
  constexpr float kAlmostOne = 1 + 0x1p-9F;
  const float of_one = 1 / (1 + std::exp(-1.0F));
  ExpectOf(kAlmostOne, {512, 0}, {1, 0}, {-512, 0}, 0.5F, of_one);
  ExpectOf(512, {kAlmostOne, 0}, {1, 0}, {-512, 0}, 0.5F, of_one);
  ExpectOf(1, {0, 0}, {kAlmostOne, kAlmostOne}, {0, 0}, 1, kAlmostOne);
  // A weight just below the other's.
  constexpr float kWeight = 1 - 0x1p-10F;
  ExpectOf(1, {0, 0}, {0, 1}, {0, std::log(kWeight)}, 1 / (1 + kWeight), kWeight / (1 + kWeight));
}

TEST(Attention, AddsAMaskThatBroadcasts) {
  const Sizes sizes = {2, 3, 5, 20, 8, 8};
  for (const Shape& shape : {Shape{20}, Shape{5, 20}, Shape{1, 20}, Shape{2, 1, 1, 20},
                             Shape{1, 3, 1, 20}, Shape{3, 5, 20}, Shape{2, 3, 5, 20}}) {
    ExpectAttention(sizes, shape);
  }
}

TEST(Attention, MaskedKeysHaveNoWeight) {
  OpTester("Attention", 1, "ephemeralml")
      .Attr("heads", 1)
      .Input<float>({1, 1, 1}, {1})
      .Input<float>({1, 2, 1}, {5, 6})
      .Input<float>({1, 2, 1}, {3, 1000})
      .Input<float>({2}, {0, -10000})
      .ExpectOutput<float>({1, 1, 1}, {3})
      .Run();
}

TEST(Attention, GivesZerosWhereThereAreNoKeys) {
  OpTester("Attention", 1, "ephemeralml")
      .Attr("heads", 2)
      .Input<float>({1, 3, 4}, std::vector<float>(12, 1))
      .Input<float>({1, 0, 4}, {})
      .Input<float>({1, 0, 4}, {})
      .ExpectOutput<float>({1, 3, 4}, std::vector<float>(12))
      .Run();
}

TEST(Attention, RefusesToComputeInAnotherType) {
  const std::vector<float> x(12);
  OpTester("Attention", 1, "ephemeralml")
      .Attr("heads", 2)
      .Attr("compute", "float16")
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .ExpectError("attribute_invalid");
}

TEST(Attention, Refuses) {
  const auto test = [] {
    OpTester t("Attention", 1, "ephemeralml");
    t.Attr("heads", 2);
    return t;
  };
  const std::vector<float> x(12);
  test()
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 4, 3}, x)
      .ExpectError("shape_invalid");
  test()
      .Input<float>({1, 4, 3}, x)
      .Input<float>({1, 4, 3}, x)
      .Input<float>({1, 4, 3}, x)
      .ExpectError("shape_invalid");
  test()
      .Input<float>({3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .ExpectError("shape_invalid");
  test()
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .ExpectError("shape_invalid");
  OpTester("Attention", 1, "ephemeralml")
      .Attr("heads", 0)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .Input<float>({1, 3, 4}, x)
      .ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
