#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kHuge = int64_t{1} << 28;

// Four heads of queries over two of keys, of which two rows are a cache's.
constexpr size_t kBatch = 2;
constexpr size_t kHeads = 4;
constexpr size_t kKeyHeads = 2;
constexpr size_t kQueries = 3;
constexpr size_t kPast = 2;
constexpr size_t kAdded = 5;
constexpr size_t kKeys = kPast + kAdded;
constexpr size_t kColumns = 3;
constexpr size_t kValueColumns = 2;

struct Case {
  std::vector<float> q = testing::RandomValues(kBatch * kHeads * kQueries * kColumns, 1, 1);
  std::vector<float> k =
      testing::RandomValues(kBatch * kKeyHeads * kKeys * kColumns, 2, 1);  // with the cache
  std::vector<float> v = testing::RandomValues(kBatch * kKeyHeads * kKeys * kValueColumns, 3, 1);
  std::vector<float> mask = testing::RandomValues(kQueries * kKeys, 4, 1);
  double scale = 0.7;
  double cap = 1.5;
  bool is_causal = false;
};

struct Expected {
  std::vector<float> y;
  std::vector<float> products;
  std::vector<float> capped;
  std::vector<float> masked;
  std::vector<float> weights;
};

// The definition, in double precision.
Expected Define(const Case& c) {
  Expected expected;
  for (size_t row = 0; row < kBatch * kHeads * kQueries; ++row) {
    const size_t head = row / kQueries / (kHeads / kKeyHeads);  // of the keys, of all the batch
    std::vector<double> powers;
    double sum = 0;
    for (size_t key = 0; key < kKeys; ++key) {
      double score = 0;
      for (size_t i = 0; i < kColumns; ++i) {
        score +=
            static_cast<double>(c.q[row * kColumns + i]) * c.k[(head * kKeys + key) * kColumns + i];
      }
      score *= c.scale;
      expected.products.push_back(static_cast<float>(score));
      score = c.cap * std::tanh(score / c.cap);
      expected.capped.push_back(static_cast<float>(score));
      score += c.mask[row % kQueries * kKeys + key];
      if (c.is_causal && key > kPast + row % kQueries) score = -kInfinity;
      expected.masked.push_back(static_cast<float>(score));
      powers.push_back(std::exp(score));
      sum += powers.back();
    }
    for (const double power : powers) expected.weights.push_back(static_cast<float>(power / sum));
    for (size_t i = 0; i < kValueColumns; ++i) {
      double value = 0;
      for (size_t key = 0; key < kKeys; ++key) {
        value += powers[key] / sum * c.v[(head * kKeys + key) * kValueColumns + i];
      }
      expected.y.push_back(static_cast<float>(value));
    }
  }
  return expected;
}

// Some rows of each head.
std::vector<float> Rows(const std::vector<float>& heads, size_t columns, size_t first, size_t end) {
  std::vector<float> rows;
  for (size_t head = 0; head < kBatch * kKeyHeads; ++head) {
    const auto begin = heads.begin() + static_cast<ptrdiff_t>(head * kKeys * columns);
    rows.insert(rows.end(), begin + static_cast<ptrdiff_t>(first * columns),
                begin + static_cast<ptrdiff_t>(end * columns));
  }
  return rows;
}

// [B, heads, rows, columns] with heads side by side.
std::vector<float> Flat(const std::vector<float>& heads, size_t count, size_t rows,
                        size_t columns) {
  std::vector<float> flat;
  for (size_t i = 0; i < heads.size(); ++i) {
    const size_t column = i % columns;
    const size_t head = i / columns % count;
    const size_t row = i / columns / count % rows;
    const size_t batch = i / columns / count / rows;
    flat.push_back(heads[((batch * count + head) * rows + row) * columns + column]);
  }
  return flat;
}

OpTester Standard(const Case& c, bool is_flat) {
  OpTester test("Attention", 24);
  test.Attr("scale", static_cast<float>(c.scale)).Attr("softcap", static_cast<float>(c.cap));
  if (c.is_causal) test.Attr("is_causal", 1);
  const auto k = Rows(c.k, kColumns, kPast, kKeys);
  const auto v = Rows(c.v, kValueColumns, kPast, kKeys);
  if (is_flat) {
    test.Attr("q_num_heads", 4).Attr("kv_num_heads", 2);
    test.Input<float>({2, 3, 12}, Flat(c.q, kHeads, kQueries, kColumns));
    test.Input<float>({2, 5, 6}, Flat(k, kKeyHeads, kAdded, kColumns));
    test.Input<float>({2, 5, 4}, Flat(v, kKeyHeads, kAdded, kValueColumns));
  } else {
    test.Input<float>({2, 4, 3, 3}, c.q).Weight<float>({2, 2, 5, 3}, k);
    test.Input<float>({2, 2, 5, 2}, v);
  }
  test.Input<float>({3, 7}, c.mask);
  test.Input<float>({2, 2, 2, 3}, Rows(c.k, kColumns, 0, kPast));
  test.Input<float>({2, 2, 2, 2}, Rows(c.v, kValueColumns, 0, kPast));
  return test;
}

TEST(StandardAttention, EqualsItsDefinitionWithEitherLayout) {
  for (const bool is_causal : {false, true}) {
    Case c;
    c.is_causal = is_causal;
    const Expected expected = Define(c);
    Standard(c, false)
        .ExpectOutput<float>({2, 4, 3, 2}, expected.y)
        .ExpectOutput<float>({2, 2, 7, 3}, c.k)
        .ExpectOutput<float>({2, 2, 7, 2}, c.v)
        .Run();
    Standard(c, true)
        .ExpectOutput<float>({2, 3, 8}, Flat(expected.y, kHeads, kQueries, kValueColumns))
        .UnwantedOutput()
        .ExpectOutput<float>({2, 2, 7, 2}, c.v)
        .Run();
  }
}

TEST(StandardAttention, GivesItsScoresAtAnyStage) {
  Case c;
  c.is_causal = true;
  const Expected expected = Define(c);
  const std::vector<std::vector<float>> stages = {expected.products, expected.capped,
                                                  expected.masked, expected.weights};
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    Standard(c, false)
        .Attr("qk_matmul_output_mode", static_cast<int>(stage))
        .ExpectOutput<float>({2, 4, 3, 2}, expected.y)
        .UnwantedOutput()
        .UnwantedOutput()
        .ExpectOutput<float>({2, 4, 3, 7}, stages[stage])
        .Run();
  }
}

// One column and scores of zero: a query gets the mean of the values that it sees.
OpTester Mean(std::vector<float> values, int64_t queries) {
  OpTester test("Attention", 24);
  const auto keys = static_cast<int64_t>(values.size());
  test.Input<float>({1, 1, queries, 1}, std::vector<float>(static_cast<size_t>(queries)));
  test.Input<float>({1, 1, keys, 1}, std::vector<float>(values.size()));
  test.Input<float>({1, 1, keys, 1}, values);
  return test;
}

TEST(StandardAttention, MasksHideKeys) {
  Mean({1, 2, 6}, 2)
      .Input<bool>({2, 3}, {true, true, false, false, false, true})
      .ExpectOutput<float>({1, 1, 2, 1}, {1.5, 6})
      .Run();
  // Keys beyond a short mask are hidden, and so are all keys of a row that allows none.
  Mean({1, 2, 6}, 2)
      .Input<bool>({2, 2}, {true, true, false, false})
      .ExpectOutput<float>({1, 1, 2, 1}, {1.5, 0})
      .Run();
  Mean({1, 2, 6}, 1)
      .Input<float>({1, 3}, {-kInfinity, 0, 0})
      .ExpectOutput<float>({1, 1, 1, 1}, {4})
      .Run();
}

TEST(StandardAttention, LaterKeysAndPaddingAreHidden) {
  Mean({1, 2, 6}, 3).Attr("is_causal", 1).ExpectOutput<float>({1, 1, 3, 1}, {1, 1.5, 3}).Run();
  const auto with_length = [](int64_t length) {
    OpTester test = Mean({1, 2, 6, 100}, 2);
    return test.NoInput().NoInput().NoInput().Input<int64_t>({1}, {length});
  };
  with_length(3).ExpectOutput<float>({1, 1, 2, 1}, {3, 3}).Run();
  // The last query stands at the last key that is there.
  with_length(3).Attr("is_causal", 1).ExpectOutput<float>({1, 1, 2, 1}, {1.5, 3}).Run();
  with_length(0).ExpectOutput<float>({1, 1, 2, 1}, {0, 0}).Run();
  with_length(5).ExpectError("input_invalid");
  with_length(-1).ExpectError("input_invalid");
}

TEST(StandardAttention, EmptyTensorsOfAbsurdSizesAreNoTrouble) {
  OpTester("Attention", 23)
      .Input<float>({0, 1, kHuge, 4}, {})
      .Input<float>({0, 1, kHuge, 4}, {})
      .Input<float>({0, 1, kHuge, 4}, {})
      .Input<float>({0, 1, 1, kHuge}, {})
      .ExpectOutput<float>({0, 1, kHuge, 4}, {})
      .Run();
  OpTester("Attention", 23)
      .Input<float>({1, 1, 2, 1}, {1, 2})
      .Input<float>({1, 1, 0, 1}, {})
      .Input<float>({1, 1, 0, 1}, {})
      .ExpectOutput<float>({1, 1, 2, 1}, {0, 0})
      .Run();
}

TEST(StandardAttention, Refuses) {
  const auto refuses = [](Shape q, Shape k, Shape v, std::string_view reason) {
    const auto zeros = [](const Shape& shape) {
      return std::vector<float>(ElementCount(shape).value_or(0));
    };
    OpTester("Attention", 23)
        .Input<float>(q, zeros(q))
        .Input<float>(k, zeros(k))
        .Input<float>(v, zeros(v))
        .ExpectError(reason);
  };
  refuses({1, 1, 2}, {1, 1, 2, 1}, {1, 1, 2, 1}, "shape_invalid");     // heads are needed
  refuses({2}, {1, 1, 2, 1}, {1, 1, 2, 1}, "shape_invalid");           // rank
  refuses({1, 3, 2, 2}, {1, 2, 2, 2}, {1, 2, 2, 2}, "shape_invalid");  // groups
  refuses({1, 1, 2, 2}, {1, 1, 2, 3}, {1, 1, 2, 2}, "shape_invalid");  // columns
  refuses({1, 1, 2, 2}, {1, 1, 2, 2}, {1, 1, 3, 2}, "shape_invalid");  // rows
  refuses({2, 1, 2, 2}, {1, 1, 2, 2}, {1, 1, 2, 2}, "shape_invalid");  // batch
  refuses({1, 1, 2, 0}, {1, 1, 2, 0}, {1, 1, 2, 2}, "shape_invalid");  // no columns
  refuses({0, kHuge, 0, kHuge}, {0, 1, 0, kHuge}, {0, 1, 0, 1}, "size_overflow");
  Mean({1, 2}, 1).Input<float>({1, 3}, {0, 0, 0}).ExpectError("shape_invalid");
  Mean({1, 2}, 1).Input<float>({3, 2}, {0, 0, 0, 0, 0, 0}).ExpectError("shape_invalid");
  Mean({1, 2}, 1).Input<int32_t>({1, 2}, {0, 0}).ExpectError("type_unsupported");
  Mean({1, 2}, 1).NoInput().Input<float>({1, 1, 1, 1}, {0}).ExpectError("input_invalid");
  Mean({1, 2}, 1).Attr("q_num_heads", -1).ExpectError("attribute_invalid");
  Mean({1, 2}, 1).Attr("q_num_heads", 5).ExpectError("shape_invalid");
  Mean({1, 2}, 1).Attr("softcap", -1.0f).ExpectError("attribute_invalid");
  Mean({1, 2}, 1).Attr("qk_matmul_output_mode", 4).ExpectError("attribute_invalid");
  OpTester("Attention", 22).Input<float>({1}, {0}).ExpectError("operator_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
