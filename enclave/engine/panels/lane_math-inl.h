// Functions over vectors of floats, for one vector unit at a time: included by sources that
// Highway compiles once for each. Relative errors stay below 1e-6 (lane_math_test.cpp).

#if defined(EPHEMERAL_LANE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EPHEMERAL_LANE_MATH_INL_H_
#undef EPHEMERAL_LANE_MATH_INL_H_
#else
#define EPHEMERAL_LANE_MATH_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Never wider than the 16 columns that packed weights are grouped in.
using Lanes = hn::CappedTag<float, 16>;
using Vec = hn::Vec<Lanes>;
inline constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(Lanes()));

/// The first `count` lanes from memory, the others zero; touches nothing beyond them.
HWY_INLINE Vec LoadFirst(const float* from, int64_t count) {
  const Lanes d;
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, from);
#else
  // Without instructions for it Highway reads the whole vector.
  HWY_ALIGN float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(d, lanes);
#endif
}

HWY_INLINE void StoreFirst(Vec value, float* to, int64_t count) {
  const Lanes d;
  hn::BlendedStore(value, hn::FirstN(d, static_cast<size_t>(count)), d, to);
}

HWY_INLINE Vec Broadcast(float value) { return hn::Set(Lanes(), value); }

// The value of a polynomial, highest coefficient first.
template <size_t kCount>
HWY_INLINE Vec Polynomial(Vec x, const float (&coefficients)[kCount]) {
  Vec sum = Broadcast(coefficients[0]);
  for (size_t i = 1; i < kCount; ++i) sum = hn::MulAdd(sum, x, Broadcast(coefficients[i]));
  return sum;
}

/// e to the x for x <= 88; below -87 as at -87.
HWY_INLINE Vec Exp(Vec x) {
  const Lanes d;
  const hn::RebindToSigned<Lanes> integers;
  const Vec bounded = hn::Min(hn::Max(x, Broadcast(-87.0f)), Broadcast(88.0f));
  // A sum this large has no fraction: its lowest bits are the nearest whole number.
  const Vec large = Broadcast(12582912.0f);
  const Vec shifted = hn::MulAdd(bounded, Broadcast(1.44269504f), large);
  const Vec n = hn::Sub(shifted, large);
  // ln 2 in two parts: the first has so few bits that n times it is exact.
  Vec r = hn::NegMulAdd(n, Broadcast(0.693359375f), bounded);
  r = hn::NegMulAdd(n, Broadcast(-2.12194440e-4f), r);
  // e^r on |r| <= ln(2) / 2, in pairs of terms: none waits long for another.
  const Vec square = hn::Mul(r, r);
  const Vec low = hn::Add(r, Broadcast(1.0f));
  const Vec middle = hn::MulAdd(r, Broadcast(0.16666521f), Broadcast(0.49999994f));
  const Vec high = hn::MulAdd(square, Broadcast(1.3814539e-3f),
                              hn::MulAdd(r, Broadcast(8.368745e-3f), Broadcast(4.166839e-2f)));
  const Vec power = hn::MulAdd(square, hn::MulAdd(square, high, middle), low);
  return hn::BitCast(
      d, hn::Add(hn::BitCast(integers, power), hn::ShiftLeft<23>(hn::BitCast(integers, shifted))));
}

/// The error function: x P(x^2) / Q(x^2) on [-4, 4], beyond which it is 1 to single precision.
HWY_INLINE Vec Erf(Vec x) {
  const Vec bounded = hn::Min(hn::Max(x, Broadcast(-4.0f)), Broadcast(4.0f));
  const Vec z = hn::Mul(bounded, bounded);
  const Vec p =
      Polynomial(z, {-2.72614225801306e-10f, 2.77068142495902e-08f, -2.10102402082508e-06f,
                     -5.69250639462346e-05f, -7.34990630326855e-04f, -2.95459980854025e-03f,
                     -1.60960333262415e-02f});
  const Vec q =
      Polynomial(z, {-1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f,
                     -7.37332916720468e-03f, -1.42647390514189e-02f});
  return hn::Div(hn::Mul(bounded, p), q);
}

HWY_INLINE Vec Sigmoid(Vec x) {
  const Vec one = Broadcast(1.0f);
  return hn::Div(one, hn::Add(one, Exp(hn::Neg(x))));
}

HWY_INLINE Vec Tanh(Vec x) {
  const Vec magnitude = hn::Abs(x);
  const Vec z = hn::Mul(x, x);
  // (tanh(x) / x - 1) / x^2 as a polynomial in x^2 <= 0.4.
  const Vec p = Polynomial(z, {-6.04516509652e-3f, 2.09613291086e-2f, -5.38432631753e-2f,
                               0.133327188456f, -0.333333284333f});
  const Vec small = hn::MulAdd(hn::Mul(x, z), p, x);
  const Vec one = Broadcast(1.0f);
  const Vec power = Exp(hn::Min(hn::Add(magnitude, magnitude), Broadcast(80.0f)));
  const Vec large = hn::Sub(one, hn::Div(Broadcast(2.0f), hn::Add(power, one)));
  return hn::IfThenElse(hn::Lt(magnitude, Broadcast(0.625f)), small, hn::CopySign(large, x));
}

HWY_INLINE Vec Gelu(Vec x) {
  const Vec half = hn::Mul(x, Broadcast(0.5f));
  return hn::MulAdd(half, Erf(hn::Mul(x, Broadcast(0.707106781f))), half);
}

HWY_INLINE Vec Bounded(Vec x, Vec low, Vec high) { return hn::Min(hn::Max(x, low), high); }

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
