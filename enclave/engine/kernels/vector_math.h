#pragma once
// Exponentials and their kin for single precision, without branches or calls, so that a loop over
// them becomes vector code. Relative errors stay below 5e-7 (vector_math_test.cpp compares with the
// standard library's doubles). The double overloads call the standard library.
//
// The polynomials are Chebyshev fits made for this file; each one's interval stands beside it.

#include <bit>
#include <cmath>
#include <cstdint>

namespace ephemeralml::engine::kernels {

/// e to the x. Infinite and NaN operands, overflow and denormal results are as in std::exp.
inline float Exp(float x) {
  // Beyond these the result is infinite or 0 all the same; a NaN passes both comparisons.
  float bounded = x > 89.0f ? 89.0f : x;
  bounded = bounded < -104.0f ? -104.0f : bounded;
  // Adding 1.5 * 2^23 rounds to the nearest integer, which then stands in the low bits.
  constexpr float kRounder = 12582912.0f;
  const float shifted = bounded * 1.44269504f + kRounder;
  const float n = shifted - kRounder;
  const auto exponent =
      static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRounder));
  // ln 2 in two parts: the first has so few bits that n times it is exact.
  const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
  // (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
  float q = 1.3926926614e-3f;
  q = q * r + 8.36377387441e-3f;
  q = q * r + 4.16665501103e-2f;
  q = q * r + 0.166665733819f;
  q = q * r + 0.5f;
  const float power = 1.0f + (r + r * r * q);
  // In two steps, because 2^128 isn't a float though the product may be, nor 2^-149 exact in one.
  const int32_t half = exponent >> 1;
  const auto scale = [](int32_t e) {
    return std::bit_cast<float>((static_cast<uint32_t>(e) + 127u) << 23);
  };
  return power * scale(half) * scale(exponent - half);
}
inline double Exp(double x) { return std::exp(x); }

/// 1 / (1 + e^-x).
template <class T>
T Sigmoid(T x) {
  return T{1} / (T{1} + Exp(-x));
}

/// The hyperbolic tangent.
inline float Tanh(float x) {
  const float magnitude = std::fabs(x);
  const float z = x * x;
  // (tanh(x) / x - 1) / x^2 as a polynomial in x^2 <= 0.4.
  float p = -6.04516509652e-3f;
  p = p * z + 2.09613291086e-2f;
  p = p * z - 5.38432631753e-2f;
  p = p * z + 0.133327188456f;
  p = p * z - 0.333333284333f;
  const float small = x + x * z * p;
  const float large = std::copysign(1.0f - 2.0f / (Exp(2.0f * magnitude) + 1.0f), x);
  return magnitude < 0.625f ? small : large;
}
inline double Tanh(double x) { return std::tanh(x); }

/// The error function.
inline float Erf(float x) {
  const float magnitude = std::fabs(x);
  const float z = x * x;
  // erf(x) / x as a polynomial in x^2 <= 0.9.
  float p = 8.21278053306e-5f;
  p = p * z - 8.10505451081e-4f;
  p = p * z + 5.19768491446e-3f;
  p = p * z - 2.68580424829e-2f;
  p = p * z + 0.112836710415f;
  p = p * z - 0.37612632154f;
  p = p * z + 1.12837916648f;
  const float small = x * p;
  // ln(1 - erf(x)) on [0.9, 4]; beyond, erf is 1 to single precision. A NaN passes the comparison.
  const float t = magnitude > 4.0f ? 4.0f : magnitude;
  float l = -1.39330597585e-5f;
  l = l * t + 3.28890703492e-4f;
  l = l * t - 3.52256453429e-3f;
  l = l * t + 2.29719137038e-2f;
  l = l * t - 0.104148814482f;
  l = l * t - 0.637953829923f;
  l = l * t - 1.12676247526f;
  l = l * t - 5.04294519489e-4f;
  const float large = std::copysign(1.0f - Exp(l), x);
  return magnitude < 0.92f ? small : large;
}
inline double Erf(double x) { return std::erf(x); }

}  // namespace ephemeralml::engine::kernels
