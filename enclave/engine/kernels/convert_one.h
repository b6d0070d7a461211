#pragma once
// One element of one type as another, and which types there are. Part of ConvertElements.

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/half.h"
#include "enclave/engine/kernels/saturate.h"

namespace ephemeralml::engine::kernels {

inline constexpr size_t kConvertGrain = size_t{32} * 1024;

using CastTypes = TypeList<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                           uint32_t, uint64_t, bool, Half, Bfloat16>;

template <class From>
auto Widened(From value) {
  if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, Bfloat16>) {
    return value.ToFloat();
  } else {
    return value;
  }
}

template <class To, class From>
To ConvertOne(From stored) {
  const auto value = Widened(stored);
  using Value = std::remove_const_t<decltype(value)>;
  if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, Bfloat16>) {
    if constexpr (std::is_same_v<Value, float>) {
      return To::From(value);
    } else {
      return To::From(RoundToOdd(static_cast<double>(value)));
    }
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Value>) {
    return Saturated<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// True for floats of eight bits and less, and integers of less than eight.
constexpr bool IsSmall(ElementType type) {
  return wire::IsSmallFloat(type) || wire::IsSmallInteger(type);
}

/// As ConvertElements, if one of the two types is small.
Done ConvertSmall(Threads& threads, const TensorView& source, ElementType type,
                  MutableByteSpan target, const wire::Narrowing& how);

}  // namespace ephemeralml::engine::kernels
