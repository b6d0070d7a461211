#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "enclave/engine/kernels/half.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {

bool operator==(Half a, Half b) { return a.bits == b.bits; }
bool operator==(Bfloat16 a, Bfloat16 b) { return a.bits == b.bits; }

namespace kernels {
namespace {

using testing::OpTester;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class From, class To>
void ExpectCast(const std::vector<From>& from, const std::vector<To>& to) {
  SCOPED_TRACE(std::string(wire::Name(TypeOf<From>())) + " to " +
               std::string(wire::Name(TypeOf<To>())));
  const Shape shape = {static_cast<int64_t>(from.size())};
  OpTester test("Cast", 13);
  test.Attr("to", static_cast<int>(TypeOf<To>())).Tolerance(0, 0);
  test.Input<From>(shape, from);
  test.ExpectOutput<To>(shape, to);
  test.Run();
}

template <class From, class To>
void ExpectSmallNumbersSurvive() {
  ExpectCast<From, To>({From{0}, From{1}, From{100}}, {To{0}, To{1}, To{100}});
}

template <class From, class... To>
void ExpectSmallNumbersSurviveAll() {
  (ExpectSmallNumbersSurvive<From, To>(), ...);
  ExpectCast<From, bool>({From{0}, From{1}, From{100}}, {false, true, true});
  ExpectCast<bool, From>({false, true}, {From{0}, From{1}});
  ExpectCast<From, Half>({From{0}, From{1}, From{100}}, {{0}, {0x3c00}, {0x5640}});
  ExpectCast<Half, From>({{0}, {0x3c00}, {0x5640}}, {From{0}, From{1}, From{100}});
  ExpectCast<From, Bfloat16>({From{0}, From{1}, From{100}}, {{0}, {0x3f80}, {0x42c8}});
  ExpectCast<Bfloat16, From>({{0}, {0x3f80}, {0x42c8}}, {From{0}, From{1}, From{100}});
}

template <class... Types>
void ExpectAllPairs() {
  (ExpectSmallNumbersSurviveAll<Types, Types...>(), ...);
}

TEST(Cast, ConvertsBetweenAllNumericTypes) {
  ExpectAllPairs<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                 uint64_t>();
}

TEST(Cast, TruncatesAndSaturatesToIntegers) {
  ExpectCast<float, int32_t>({1.9f, -1.9f, 3e9f, -3e9f, kInfinity, -kInfinity, kNan},
                             {1, -1, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 0});
  ExpectCast<float, uint8_t>({255.9f, -1, 300}, {255, 0, 255});
  ExpectCast<double, int64_t>({9.3e18, -9.3e18, 0x1p62}, {INT64_MAX, INT64_MIN, int64_t{1} << 62});
  ExpectCast<double, uint64_t>({1.9e19, -1, 0x1p63}, {UINT64_MAX, 0, uint64_t{1} << 63});
}

TEST(Cast, WrapsIntegers) {
  ExpectCast<int32_t, uint8_t>({256, -1, 511}, {0, 255, 255});
  ExpectCast<int64_t, int32_t>({(int64_t{1} << 32) + 5}, {5});
}

TEST(Cast, TakesAnythingButZeroForTrue) {
  ExpectCast<float, bool>({0, -0.0f, 0.1f, kNan, kInfinity}, {false, false, true, true, true});
  ExpectCast<Half, bool>({{0}, {0x8000}, {1}}, {false, false, true});
}

TEST(Half, RoundsToNearestEven) {
  ExpectCast<float, Half>(
      {1.0f, -2.0f, 65504.0f, 65519.0f, 65520.0f, 1e9f, 2049.0f, 2051.0f, kInfinity},
      {{0x3c00}, {0xc000}, {0x7bff}, {0x7bff}, {0x7c00}, {0x7c00}, {0x6800}, {0x6802}, {0x7c00}});
  // Denormals: 2^-24 is the smallest, half of it ties to 0.
  ExpectCast<float, Half>({0x1p-24f, 0x1p-25f, 0x1.8p-25f, 0x1.8p-24f, 0x1p-14f, -0x1p-24f},
                          {{1}, {0}, {1}, {2}, {0x0400}, {0x8001}});
  EXPECT_EQ(Half::From(kNan).bits & 0x7e00, 0x7e00);
}

TEST(Half, SurvivesTheWayThereAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<uint16_t>(bits)};
    const bool is_nan = (bits & 0x7fff) > 0x7c00;
    EXPECT_EQ(std::isnan(half.ToFloat()), is_nan);
    if (!is_nan) {
      EXPECT_EQ(Half::From(half.ToFloat()).bits, bits);
    }
  }
  EXPECT_EQ(Half{0x3555}.ToFloat(), 0.333251953125f);
  EXPECT_EQ(Half{1}.ToFloat(), 0x1p-24f);
}

TEST(Half, IsRoundedOnceFromDouble) {
  // Just above a tie in binary16, and on it in binary32: two roundings would go down.
  ExpectCast<double, Half>({1.0 + 0x1p-11 + 0x1p-40}, {{0x3c01}});
  ExpectCast<double, Half>({1.0 + 0x1p-11}, {{0x3c00}});
  ExpectCast<double, Bfloat16>({1.0 + 0x1p-8 + 0x1p-40}, {{0x3f81}});
}

TEST(Bfloat16, RoundsToNearestEven) {
  ExpectCast<float, Bfloat16>({1.0f, 0x1.01p0f, 0x1.03p0f, -0x1.018p0f, 3.4e38f, kInfinity},
                              {{0x3f80}, {0x3f80}, {0x3f82}, {0xbf81}, {0x7f80}, {0x7f80}});
  EXPECT_TRUE(std::isnan(Bfloat16::From(kNan).ToFloat()));
}

TEST(Cast, TakesLargeAndEmptyTensorsAndWeights) {
  const std::vector<float> x(100'003, 2.5f);
  ExpectCast<float, int8_t>(x, std::vector<int8_t>(x.size(), 2));
  ExpectCast<float, int8_t>({}, {});
  OpTester("Cast", 9)
      .Attr("to", 7)
      .Weight<float>({2}, {1, 2})
      .ExpectOutput<int64_t>({2}, {1, 2})
      .Run();
}

TEST(Cast, RefusesUnknownTypes) {
  for (const int to : {0, 14, 15, 27, 257, -1}) {
    OpTester("Cast", 21).Attr("to", to).Input<float>({1}, {1}).ExpectError("type_unsupported");
  }
  OpTester("Cast", 13).Input<float>({1}, {1}).ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace kernels
}  // namespace ephemeralml::engine
