#pragma once
// Arithmetic on lengths and counts that came from outside: an overflow is an error, never a wrap.

#include <concepts>

#include "common/base/result.h"

namespace ephemeralml {

namespace internal {
inline Error Overflow() {
  return {Code::kOverLimit, "size_overflow", "a size exceeds what this machine can count"};
}
}  // namespace internal

/// a + b. Errors: kOverLimit `size_overflow`.
template <std::integral T>
Result<T> CheckedAdd(T a, T b) {
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) return internal::Overflow();
  return sum;
}

/// a * b. Errors: kOverLimit `size_overflow`.
template <std::integral T>
Result<T> CheckedMultiply(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) return internal::Overflow();
  return product;
}

/// `value` as another integer type. Errors: kOverLimit `size_overflow` if it doesn't fit.
template <std::integral To, std::integral From>
Result<To> CheckedCast(From value) {
  if (!std::in_range<To>(value)) return internal::Overflow();
  return static_cast<To>(value);
}

}  // namespace ephemeralml
