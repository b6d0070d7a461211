// MultiHeadAttention and GroupQueryAttention. Where scores are zeros a query gets the mean of the
// values that it sees, which can be told by hand.

#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr int64_t kHuge = int64_t{1} << 28;

OpTester MultiHead(int64_t heads) {
  OpTester test("MultiHeadAttention", 1, "com.microsoft");
  return test.Attr("num_heads", static_cast<int>(heads));
}

// Two queries over three keys.
OpTester Means() {
  return MultiHead(1)
      .Input<float>({1, 2, 1}, {0, 0})
      .Input<float>({1, 3, 1}, {0, 0, 0})
      .Input<float>({1, 3, 1}, {1, 2, 6});
}

TEST(MultiHeadAttention, WeighsByProductsHeadByHead) {
  const float e = std::exp(1.0f);
  MultiHead(2)
      .Attr("scale", 1.0f)
      .Input<float>({1, 1, 2}, {1, 0})
      .Input<float>({1, 2, 2}, {1, 5, 0, 7})
      .Input<float>({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .ExpectOutput<float>({1, 1, 4}, {(e * 1 + 5) / (e + 1), (e * 2 + 6) / (e + 1), 5, 6})
      .Run();
}

TEST(MultiHeadAttention, AddsTheBiasOfTheProjections) {
  MultiHead(1)
      .Attr("scale", 1.0f)
      .Input<float>({1, 1, 1}, {0})
      .Input<float>({1, 2, 1}, {2, 3})
      .Input<float>({1, 2, 1}, {0, 0})
      .Weight<float>({3}, {1, 9, 4})
      .ExpectOutput<float>({1, 1, 1}, {4})
      .Run();
  const float e = std::exp(1.0f);  // the bias makes the query one
  MultiHead(1)
      .Attr("scale", 1.0f)
      .Input<float>({1, 1, 1}, {0})
      .Input<float>({1, 2, 1}, {2, 3})
      .Input<float>({1, 2, 1}, {0, 1})
      .Input<float>({3}, {1, 9, 0})
      .ExpectOutput<float>({1, 1, 1}, {e / (1 + e)})
      .Run();
}

TEST(MultiHeadAttention, PaddingAndLaterKeysAreHidden) {
  Means().NoInput().Input<int32_t>({1}, {2}).ExpectOutput<float>({1, 2, 1}, {1.5, 1.5}).Run();
  Means().NoInput().Input<int32_t>({2}, {3, 1}).ExpectOutput<float>({1, 2, 1}, {4, 4}).Run();
  Means().NoInput().Input<int32_t>({1, 3}, {0, 1, 1}).ExpectOutput<float>({1, 2, 1}, {4, 4}).Run();
  Means()
      .NoInput()
      .Input<int32_t>({1, 2, 3}, {1, 0, 0, 0, 0, 1})
      .Input<float>({1, 1, 2, 3}, {0, 0, 0, 7, 7, 7})
      .ExpectOutput<float>({1, 2, 1}, {1, 6})
      .Run();
  Means().Attr("unidirectional", 1).ExpectOutput<float>({1, 2, 1}, {1, 1.5}).Run();
}

TEST(MultiHeadAttention, TakesKeysHeadAfterHeadOrPacked) {
  MultiHead(2)
      .Input<float>({1, 1, 2}, {0, 0})
      .Input<float>({1, 2, 2, 1}, {0, 0, 0, 0})
      .Input<float>({1, 2, 2, 1}, {1, 2, 5, 7})
      .ExpectOutput<float>({1, 1, 2}, {1.5, 6})
      .Run();
  MultiHead(2)  // [B, S, heads, 3, D]
      .Input<float>({1, 2, 2, 3, 1}, {0, 0, 1, 0, 0, 5, 0, 0, 2, 0, 0, 7})
      .ExpectOutput<float>({1, 2, 2}, {1.5, 6, 1.5, 6})
      .Run();
  MultiHead(2)
      .Input<float>({1, 1, 2}, {0, 0})
      .Input<float>({1, 2, 2, 2, 1}, {0, 1, 0, 5, 0, 2, 0, 7})
      .ExpectOutput<float>({1, 1, 2}, {1.5, 6})
      .Run();
}

TEST(MultiHeadAttention, GrowsItsCaches) {
  MultiHead(1)
      .Input<float>({1, 1, 1}, {0})
      .Input<float>({1, 1, 1}, {3})
      .Input<float>({1, 1, 1}, {9})
      .NoInput()
      .NoInput()
      .NoInput()
      .Input<float>({1, 1, 2, 1}, {1, 2})
      .Input<float>({1, 1, 2, 1}, {2, 4})
      .ExpectOutput<float>({1, 1, 1}, {5})
      .ExpectOutput<float>({1, 1, 3, 1}, {1, 2, 3})
      .ExpectOutput<float>({1, 1, 3, 1}, {2, 4, 9})
      .Run();
}

TEST(MultiHeadAttention, Refuses) {
  Means().Input<float>({2}, {0, 0}).ExpectError("shape_invalid");
  Means().Input<float>({4}, {0, 0, 0, 0}).ExpectError("shape_invalid");
  Means().NoInput().Input<int32_t>({4}, {1, 1, 1, 1}).ExpectError("shape_invalid");
  Means().NoInput().Input<float>({1, 3}, {1, 1, 1}).ExpectError("type_unsupported");
  Means()
      .NoInput()
      .NoInput()
      .NoInput()
      .Input<float>({1, 1, 1, 1}, {1})
      .ExpectError("input_invalid");
  MultiHead(1).Input<float>({1, 1, 1}, {0}).ExpectError("input_invalid");
  MultiHead(0).Input<float>({1, 1, 1}, {0}).ExpectError("attribute_invalid");
  MultiHead(3).Input<float>({1, 1, 4}, {0, 0, 0, 0}).ExpectError("shape_invalid");
  MultiHead(2).Input<float>({0, 1, 2, 3, int64_t{1} << 62}, {}).ExpectError("size_overflow");
  MultiHead(2).Input<float>({1, 1, 2, 2, 1}, {0, 0, 0, 0}).ExpectError("shape_invalid");
  Means().NoInput().NoInput().NoInput().NoInput().NoInput().Input<int32_t>({1}, {0}).ExpectError(
      "operator_unsupported");
}

struct Sequence {
  std::vector<float> past;
  std::vector<float> added;
  int64_t total = 0;
};

// One head of one column, and zeros for keys and queries.
OpTester Grouped(const Sequence& s) {
  OpTester test("GroupQueryAttention", 1, "com.microsoft");
  const auto added = static_cast<int64_t>(s.added.size());
  const auto past = static_cast<int64_t>(s.past.size());
  test.Attr("num_heads", 1).Attr("kv_num_heads", 1);
  test.Input<float>({1, added, 1}, std::vector<float>(s.added.size()));
  test.Input<float>({1, added, 1}, std::vector<float>(s.added.size()));
  test.Input<float>({1, added, 1}, s.added);
  if (past == 0) {
    test.NoInput().NoInput();
  } else {
    test.Input<float>({1, 1, past, 1}, std::vector<float>(s.past.size()));
    test.Input<float>({1, 1, past, 1}, s.past);
  }
  test.Input<int32_t>({1}, {static_cast<int32_t>(s.total - 1)});
  test.Input<int32_t>({}, {static_cast<int32_t>(s.total)});
  return test;
}

TEST(GroupQueryAttention, SeesKeysUpToItsOwn) {
  Grouped({{}, {1, 3, 8}, 3}).ExpectOutput<float>({1, 3, 1}, {1, 2, 4}).Run();
  Grouped({{2, 4}, {9}, 3})
      .ExpectOutput<float>({1, 1, 1}, {5})
      .UnwantedOutput()
      .ExpectOutput<float>({1, 1, 3, 1}, {2, 4, 9})
      .Run();
  // A cache longer than what it holds is written in the middle.
  Grouped({{2, 4, 100, 100}, {9}, 3})
      .ExpectOutput<float>({1, 1, 1}, {5})
      .UnwantedOutput()
      .ExpectOutput<float>({1, 1, 4, 1}, {2, 4, 9, 0})
      .Run();
}

TEST(GroupQueryAttention, WindowsSinksAndBiasesCount) {
  Grouped({{}, {1, 3, 8}, 3})
      .Attr("local_window_size", 2)
      .ExpectOutput<float>({1, 3, 1}, {1, 2, 5.5})
      .Run();
  Grouped({{}, {2, 4}, 2}).Attr("smooth_softmax", 1).ExpectOutput<float>({1, 2, 1}, {1, 2}).Run();
  OpTester sinks = Grouped({{}, {2, 4}, 2});
  for (int i = 0; i < 4; ++i) sinks.NoInput();
  sinks.Input<float>({1}, {std::log(3.0f)}).ExpectOutput<float>({1, 2, 1}, {0.5, 1.2f}).Run();
  OpTester biased = Grouped({{}, {2, 4}, 2});
  for (int i = 0; i < 3; ++i) biased.NoInput();
  biased.Input<float>({1, 1, 2, 2}, {0, 0, 0, std::log(3.0f)})
      .ExpectOutput<float>({1, 2, 1}, {2, 3.5})
      .Run();
}

// Three heads of queries, packed with what they share.
TEST(GroupQueryAttention, HeadsShareKeys) {
  OpTester("GroupQueryAttention", 1, "com.microsoft")
      .Attr("num_heads", 3)
      .Attr("kv_num_heads", 1)
      .Attr("scale", 1.0f)
      .Input<float>({1, 2, 5}, {0, 0, 0, 0, 2, 0, 1, -100, 100, 4})
      .NoInput()
      .NoInput()
      .NoInput()
      .NoInput()
      .Input<int32_t>({1}, {1})
      .Input<int32_t>({1}, {2})
      .ExpectOutput<float>({1, 2, 3}, {2, 2, 2, 3, 4, 2})
      .Run();
}

TEST(GroupQueryAttention, TurnsQueriesAndKeysByTheirPlace) {
  // A quarter turn at place one: the added key (1, 0) becomes (0, 1), as does the query.
  OpTester("GroupQueryAttention", 1, "com.microsoft")
      .Attr("num_heads", 1)
      .Attr("kv_num_heads", 1)
      .Attr("do_rotary", 1)
      .Attr("scale", 1.0f)
      .Input<float>({1, 1, 2}, {1, 0})
      .Input<float>({1, 1, 2}, {1, 0})
      .Input<float>({1, 1, 2}, {4, 8})
      .Input<float>({1, 1, 1, 2}, {0, 1})
      .Input<float>({1, 1, 1, 2}, {2, 4})
      .Input<int32_t>({1}, {1})
      .Input<int32_t>({}, {2})
      .Weight<float>({2, 1}, {1, 0})
      .Weight<float>({2, 1}, {0, 1})
      .ExpectOutput<float>({1, 1, 2}, {3, 6})
      .ExpectOutput<float>({1, 1, 2, 2}, {0, 1, 0, 1})
      .Run();
}

TEST(GroupQueryAttention, Refuses) {
  Grouped({{}, {1, 2}, 1}).ExpectError("input_invalid");
  Grouped({{}, {1}, 0}).ExpectError("input_invalid");
  Grouped({{}, {1}, 3}).ExpectError("input_invalid");
  Grouped({{}, {1}, 1}).Attr("num_heads", 3).ExpectError("shape_invalid");
  Grouped({{}, {1}, 1}).Attr("kv_num_heads", 0).ExpectError("attribute_invalid");
  Grouped({{}, {1}, 1}).Attr("softcap", -1.0f).ExpectError("attribute_invalid");
  Grouped({{}, {1}, 1}).Attr("do_rotary", 1).ExpectError("input_invalid");
  Grouped({{}, {1}, 1}).Attr("sliding_window_cache", 1).ExpectError("operator_unsupported");
  Grouped({{}, {1}, 1}).Attr("k_quant_type", "PER_TENSOR").ExpectError("operator_unsupported");
  OpTester("GroupQueryAttention", 1, "com.microsoft")
      .Attr("num_heads", 1)
      .Attr("kv_num_heads", 1)
      .Input<float>({0, kHuge, 3}, {})
      .NoInput()
      .NoInput()
      .NoInput()
      .NoInput()
      .Input<int32_t>({0}, {})
      .Input<int32_t>({}, {1})
      .ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
