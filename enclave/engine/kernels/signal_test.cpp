#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

// By the definition.
std::vector<double> Transformed(const std::vector<double>& values, size_t length) {
  std::vector<double> pairs;
  for (size_t k = 0; k < length; ++k) {
    double real = 0;
    double imaginary = 0;
    for (size_t i = 0; i < std::min(values.size(), length); ++i) {
      const double angle =
          -2 * std::numbers::pi * static_cast<double>(k * i) / static_cast<double>(length);
      real += values[i] * std::cos(angle);
      imaginary += values[i] * std::sin(angle);
    }
    pairs.insert(pairs.end(), {real, imaginary});
  }
  return pairs;
}

TEST(Dft, AgreesWithTheDefinitionForLengthsOfEveryKind) {
  const std::vector<double> values = {1, -2, 0.5, 4, 3, -1, 2.5};
  for (const int64_t length : {1, 2, 3, 5, 7, 8, 12, 13}) {
    OpTester test("DFT", 17);
    test.Input<double>({1, 7, 1}, values).Input<int64_t>({}, {length});
    test.ExpectOutput<double>({1, length, 2}, Transformed(values, static_cast<size_t>(length)));
    test.Run();
  }
}

TEST(Dft, RefusesLengthsAndAxesThatMakeNoSense) {
  for (const int64_t length : {int64_t{0}, int64_t{-1}, INT64_MAX}) {
    OpTester test("DFT", 17);
    test.Input<float>({1, 2, 1}, {1, 2}).Input<int64_t>({}, {length}).ExpectError("input_invalid");
  }
  OpTester axis("DFT", 17);
  axis.Attr("axis", 2).Input<float>({1, 2, 1}, {1, 2}).ExpectError("attribute_invalid");
  OpTester parts("DFT", 17);
  parts.Input<float>({1, 1, 3}, {1, 2, 3}).ExpectError("shape_invalid");
}

TEST(HannWindow, IsSymmetricIfNotPeriodic) {
  OpTester test("HannWindow", 17);
  test.Attr("periodic", 0).Input<int64_t>({}, {5});
  test.ExpectOutput<float>({5}, {0, 0.5, 1, 0.5, 0}).Run();
}

TEST(Stft, RefusesFramesThatDontFit) {
  for (const auto& [step, length] : {std::pair<int64_t, int64_t>{0, 2}, {1, 5}, {1, 0}}) {
    OpTester test("STFT", 17);
    test.Input<float>({1, 4, 1}, {1, 2, 3, 4}).Input<int64_t>({}, {step}).NoInput();
    test.Input<int64_t>({}, {length}).ExpectError("input_invalid");
  }
}

}  // namespace
}  // namespace ephemeralml::engine
