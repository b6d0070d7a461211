#include "common/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace ephemeralml {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Error{Code::kInvalidArgument, "odd_number", "the number is odd"};
  return n / 2;
}

Result<int> Quarter(int n) {
  TRY(const int half, Half(n));
  TRY(const int quarter, Half(half));
  return quarter;
}

Done CheckEven(int n) {
  TRY_OK(Half(n));
  return {};
}

TEST(Result, TryUnwrapsValues) { EXPECT_EQ(Quarter(12).value(), 3); }

TEST(Result, TryReturnsTheFirstError) {
  const auto result = Quarter(6);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().reason, "odd_number");
}

TEST(Result, TryOkPassesBothWays) {
  EXPECT_TRUE(CheckEven(2).has_value());
  EXPECT_FALSE(CheckEven(3).has_value());
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  EXPECT_EQ(**result, 7);
}

TEST(ResultDeathTest, CheckEndsTheProcess) { EXPECT_DEATH(CHECK(1 == 2), "1 == 2"); }

TEST(Code, EveryCodeHasItsOwnName) {
  EXPECT_EQ(Name(Code::kUnauthentic), "unauthentic");
  EXPECT_EQ(Name(Code::kInternal), "internal");
}

}  // namespace
}  // namespace ephemeralml
