#include <gtest/gtest.h>

#include <chrono>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

OpTester Matching(const char* pattern, Shape shape, std::vector<std::string> texts) {
  OpTester test("RegexFullMatch", 20);
  test.Attr("pattern", pattern).Texts(std::move(shape), std::move(texts));
  return test;
}

TEST(RegexFullMatch, MatchesWholeTextsAlone) {
  Matching(R"(www\.[\w.-]+\.com)", {2, 2},
           {"www.example.com", "see www.example.com", "www.example.com.", "www.a-b.c.com"})
      .ExpectOutput<bool>({2, 2}, {true, false, false, true})
      .Run();
}

TEST(RegexFullMatch, TakesTheLongerAlternativeWhereTheFirstDoesNotReachTheEnd) {
  Matching("a|ab", {3}, {"ab", "a", "abb"}).ExpectOutput<bool>({3}, {true, true, false}).Run();
}

TEST(RegexFullMatch, CountsCharactersOfUtf8NotBytes) {
  Matching("..", {3}, {"\xC3\xA9\xE2\x82\xAC", "\xC3\xA9", "ab"})
      .ExpectOutput<bool>({3}, {true, false, true})
      .Run();
}

TEST(RegexFullMatch, SeesTextsBehindAZeroByte) {
  Matching("a.b", {1}, {std::string("a\0b", 3)}).ExpectOutput<bool>({1}, {true}).Run();
}

TEST(RegexFullMatch, TakesScalarsAndNothing) {
  Matching("", {}, {""}).ExpectOutput<bool>({}, {true}).Run();
  Matching("a*", {0, 3}, {}).ExpectOutput<bool>({0, 3}, {}).Run();
}

TEST(RegexFullMatch, RefusesWhatIsNoPatternOfRe2) {
  for (const char* pattern : {"(", "a{1001}", R"((a)\1)", "(?=a)", "\xFF"}) {
    Matching(pattern, {1}, {"a"}).ExpectError("attribute_invalid");
  }
  // Expands to more than the memory that a pattern may have.
  Matching("((a{100}){100}){100}", {1}, {"a"}).ExpectError("attribute_invalid");
}

TEST(RegexFullMatch, TakesTimeInProportionToTheText) {
  // A matcher that tries one way after the other would take 2^60 steps.
  const auto begin = std::chrono::steady_clock::now();
  Matching("(a|aa|a?)*b", {1}, {std::string(100'000, 'a')}).ExpectOutput<bool>({1}, {false}).Run();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(RegexFullMatch, RefusesNumbers) {
  OpTester test("RegexFullMatch", 20);
  test.Attr("pattern", "a").Input<float>({1}, {1}).ExpectError("type_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine
