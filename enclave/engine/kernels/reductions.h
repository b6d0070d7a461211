#pragma once
// What a reduction does with elements: what it makes of each (Map), how it takes two together
// (Combine) from what leaves the other as it is (Identity), and what it makes of the total
// (Finish).

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/saturate.h"

namespace ephemeralml::engine::kernels {

/// What ONNX lets sums and products be taken of.
using WideTypes = TypeList<float, double, int32_t, int64_t, uint32_t, uint64_t>;

// Integers wrap, as in Add; narrow ones are counted in a wider type and wrap at the end.
template <class T>
using Total = std::conditional_t<std::is_floating_point_v<T>, T,
                                 std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <class A>
A AddWrapping(A a, A b) {
  if constexpr (std::is_floating_point_v<A>) {
    return a + b;
  } else {
    return static_cast<A>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
}

struct SumOf {
  using Types = NumericTypes;
  static constexpr bool kOneIsItself = true;  // what a single element is reduced to
  static constexpr bool kTakesBooleans = false;
  template <class T>
  static Total<T> Map(T value) {
    return static_cast<Total<T>>(value);
  }
  template <class T>
  using Accumulator = Total<T>;
  template <class T>
  static Total<T> Identity() {
    return 0;
  }
  template <class A>
  static A Combine(A a, A b) {
    return AddWrapping(a, b);
  }
  template <class T>
  static T Finish(Total<T> total, size_t) {
    return static_cast<T>(total);
  }
};

struct MeanOf : SumOf {
  template <class T>
  static T Finish(Total<T> total, size_t count) {
    return static_cast<T>(total / static_cast<Total<T>>(count));
  }
};

template <class A>
A MultiplyWrapping(A a, A b) {
  if constexpr (std::is_floating_point_v<A>) {
    return a * b;
  } else {
    return static_cast<A>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
}

struct ProductOf : SumOf {
  using Types = WideTypes;
  template <class T>
  static Total<T> Identity() {
    return 1;
  }
  template <class A>
  static A Combine(A a, A b) {
    return MultiplyWrapping(a, b);
  }
};

struct SumOfMagnitudes : SumOf {
  using Types = WideTypes;
  static constexpr bool kOneIsItself = false;
  template <class T>
  static Total<T> Map(T value) {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fabs(value);
    } else if constexpr (std::is_signed_v<T>) {
      const auto wide = static_cast<Total<T>>(value);
      return value < T{0} ? AddWrapping(~wide, Total<T>{1}) : wide;
    } else {
      return value;
    }
  }
};

struct SumOfSquares : SumOf {
  using Types = WideTypes;
  static constexpr bool kOneIsItself = false;
  template <class T>
  static Total<T> Map(T value) {
    const auto wide = static_cast<Total<T>>(value);
    return MultiplyWrapping(wide, wide);
  }
};

struct RootOfSquares : SumOfSquares {
  template <class T>
  static T Finish(Total<T> total, size_t) {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(std::sqrt(total));
    } else {
      return Saturated<T>(std::sqrt(static_cast<double>(total)));  // of squares that wrap around
    }
  }
};

struct LogarithmOfSum : SumOf {
  using Types = FloatTypes;
  static constexpr bool kOneIsItself = false;
  template <class T>
  static T Finish(Total<T> total, size_t) {
    return static_cast<T>(std::log(total));
  }
};

// Powers of e that were added up, as a multiple of e to the largest exponent so far.
struct Powers {
  double largest = -std::numeric_limits<double>::infinity();
  double sum = 0;
};

struct LogarithmOfPowers {
  using Types = FloatTypes;
  static constexpr bool kOneIsItself = true;
  static constexpr bool kTakesBooleans = false;
  template <class T>
  using Accumulator = Powers;
  template <class T>
  static Powers Map(T value) {
    return {static_cast<double>(value), 1};
  }
  template <class T>
  static Powers Identity() {
    return {};
  }
  template <class A>
  static Powers Combine(A a, A b) {
    if (a.sum == 0) return b;
    if (b.sum == 0) return a;
    const double largest = a.largest > b.largest || std::isnan(a.largest) ? a.largest : b.largest;
    const auto scaled = [&](const Powers& part) {
      return part.largest == largest ? part.sum : part.sum * std::exp(part.largest - largest);
    };
    return {largest, scaled(a) + scaled(b)};
  }
  template <class T>
  static T Finish(const Powers& total, size_t) {
    const double logarithm = total.largest + std::log(total.sum);
    return static_cast<T>(total.sum == 0 ? -std::numeric_limits<double>::infinity() : logarithm);
  }
};

struct MaxOf {
  using Types = NumericTypes;
  static constexpr bool kOneIsItself = true;
  static constexpr bool kTakesBooleans = true;
  template <class T>
  static T Map(T value) {
    return value;
  }
  template <class T>
  using Accumulator = T;
  template <class T>
  static T Identity() {
    return std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                       : std::numeric_limits<T>::lowest();
  }
  template <class A>
  static A Combine(A a, A b) {
    return a > b || a != a ? a : b;
  }
  template <class T>
  static T Finish(T total, size_t) {
    return total;
  }
};

struct MinOf : MaxOf {
  template <class T>
  static T Identity() {
    return std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                       : std::numeric_limits<T>::max();
  }
  template <class A>
  static A Combine(A a, A b) {
    return a < b || a != a ? a : b;
  }
};

}  // namespace ephemeralml::engine::kernels
