#include "enclave/engine/kernels/dense.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <fstream>
#include <string>

#include "enclave/engine/kernels/reference/matrix.h"

namespace ephemeralml::engine::kernels {
namespace {

std::vector<float> Numbers(size_t count, int seed) {
  std::vector<float> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<float>((i * 7919 + static_cast<size_t>(seed) * 104729) % 201) / 50 - 2;
  }
  return numbers;
}

struct Case {
  std::vector<float> a, b, c;
  Product product;
};

// A random product whose operands may have gaps between their rows.
Case AnyProduct(int64_t most) {
  Case made;
  Product& p = made.product;
  p.rows = *rc::gen::inRange<int64_t>(0, most);
  p.inner = *rc::gen::inRange<int64_t>(0, most);
  p.columns = *rc::gen::inRange<int64_t>(0, most);
  p.a.transposed = *rc::gen::arbitrary<bool>();
  p.b.transposed = *rc::gen::arbitrary<bool>();
  p.a.stride = (p.a.transposed ? p.rows : p.inner) + *rc::gen::inRange<int64_t>(0, 3);
  p.b.stride = (p.b.transposed ? p.inner : p.columns) + *rc::gen::inRange<int64_t>(0, 3);
  p.c_stride = p.columns + *rc::gen::inRange<int64_t>(0, 3);
  p.alpha = *rc::gen::element(1.0f, 0.5f, -2.0f);
  p.beta = *rc::gen::element(0.0f, 1.0f, 0.25f);
  made.a = Numbers(static_cast<size_t>((p.a.transposed ? p.inner : p.rows) * p.a.stride), 1);
  made.b = Numbers(static_cast<size_t>((p.b.transposed ? p.columns : p.inner) * p.b.stride), 2);
  made.c = Numbers(static_cast<size_t>(p.rows * p.c_stride), 3);
  p.a.values = made.a.data();
  p.b.values = made.b.data();
  p.c = made.c.data();
  return made;
}

void ExpectLikeReference(Case& made, const std::function<Done(const Product&)>& multiply) {
  const Product& p = made.product;
  const std::vector<float> expected = reference::MultiplyPlain(p);
  const std::vector<float> before = made.c;
  RC_ASSERT(multiply(p).has_value());
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t column = 0; column < p.c_stride; ++column) {
      const auto at = static_cast<size_t>(row * p.c_stride + column);
      if (column >= p.columns) {
        RC_ASSERT(made.c[at] == before[at]);  // between rows nothing is written
        continue;
      }
      const float want = expected[static_cast<size_t>(row * p.columns + column)];
      RC_ASSERT(std::abs(made.c[at] - want) <= 1e-4f + 1e-5f * std::abs(want));
    }
  }
}

TEST(Multiply, AgreesWithPlainLoops) {
  EXPECT_TRUE(rc::check([] {
    Case made = AnyProduct(70);
    ExpectLikeReference(made, Multiply);
  }));
}

TEST(MultiplyOn, AgreesWithPlainLoopsOnSeveralThreads) {
  Threads threads(3);
  EXPECT_TRUE(rc::check([&] {
    Case made = AnyProduct(200);
    ExpectLikeReference(made, [&](const Product& p) { return MultiplyOn(threads, p); });
  }));
}

TEST(Multiply, DoesNotReadWhatCHeldWhenBetaIsZero) {
  const std::vector<float> a = {1, 2}, b = {3, 4};
  float c = std::nanf("");
  ASSERT_TRUE(Multiply({1, 2, 1, {a.data(), 2}, {b.data(), 1}, &c, 1}).has_value());
  EXPECT_EQ(c, 11);
  c = std::nanf("");
  ASSERT_TRUE(Multiply({1, 0, 1, {a.data(), 0}, {b.data(), 1}, &c, 1}).has_value());
  EXPECT_EQ(c, 0);
}

// Addresses of executable memory that no file backs.
std::vector<std::string> GeneratedCode() {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> found;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("xp ") != std::string::npos && line.find(" 00:00 0 ") != std::string::npos) {
      found.push_back(line);
    }
  }
  return found;
}

TEST(WarmUp, LeavesNoCodeToGenerateLater) {
  Threads threads(2);
  ASSERT_TRUE(WarmUp(threads).has_value());
  const std::vector<std::string> before = GeneratedCode();
  EXPECT_TRUE(rc::check([&] {
    Case made = AnyProduct(*rc::gen::element(3, 20, 300));
    RC_ASSERT(Multiply(made.product).has_value());
    RC_ASSERT(MultiplyOn(threads, made.product).has_value());
  }));
  EXPECT_EQ(GeneratedCode(), before);
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
