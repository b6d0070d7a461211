// Operators on texts, where ONNX's own cases say nothing.

#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

OpTester Grams(std::vector<int64_t> counts) {
  OpTester test("TfIdfVectorizer", 9);
  test.Attr("mode", "TF").Attr("min_gram_length", 1).Attr("max_gram_length", 1);
  test.Attr("max_skip_count", 0).Ints("ngram_counts", std::move(counts));
  return test.Ints("ngram_indexes", {0, 1}).Ints("pool_int64s", {5, 6});
}

TEST(TfIdfVectorizer, RefusesPoolsThatDontFit) {
  Grams({0}).Input<int64_t>({3}, {5, 6, 6}).ExpectOutput<float>({2}, {1, 2}).Run();
  Grams({0, 2}).Input<int64_t>({1}, {5}).ExpectOutput<float>({2}, {1, 0}).Run();
  Grams({0, 3}).Input<int64_t>({1}, {5}).ExpectError("attribute_invalid");
  Grams({-1}).Input<int64_t>({1}, {5}).ExpectError("attribute_invalid");
  // Each zero would take the whole pool once more.
  Grams({0, 2, 0, 2}).Input<int64_t>({1}, {5}).ExpectError("attribute_invalid");
  OpTester two = Grams({0});
  two.Attr("pool_strings", AttributeValue(std::vector<std::string>{"a"}));
  two.Input<int64_t>({1}, {5}).ExpectError("attribute_invalid");
}

TEST(StringConcat, RefusesWhatMemoryCantHold) {
  const std::vector<std::string> texts(size_t{1} << 13);
  const auto count = static_cast<int64_t>(texts.size());
  OpTester test("StringConcat", 20);
  test.Texts({count, 1}, texts).Texts({1, count}, texts).ExpectError("session_memory_exceeded");
}

TEST(StringSplit, RefusesWhatMemoryCantHold) {
  std::vector<std::string> texts(size_t{1} << 13);
  texts[0] = std::string(size_t{1} << 13, ',');
  OpTester test("StringSplit", 20);
  test.Attr("delimiter", ",").Texts({static_cast<int64_t>(texts.size())}, texts);
  test.ExpectOutput<int64_t>({}, {}).ExpectOutput<int64_t>({}, {});
  test.ExpectError("session_memory_exceeded");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
