#pragma once
// From an ElementType, known when a kernel runs, to the C++ type that its loop is compiled for.

#include <type_traits>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

template <class... Ts>
struct TypeList {};

using FloatTypes = TypeList<float, double>;
using SignedIntegerTypes = TypeList<int8_t, int16_t, int32_t, int64_t>;
using SignedTypes = TypeList<float, double, int8_t, int16_t, int32_t, int64_t>;
using NumericTypes = TypeList<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                              uint32_t, uint64_t>;

/// Calls `body(std::type_identity<T>{})` with the type of the list that `type` stands for.
/// Errors: kUnsupported `type_unsupported` if it isn't in the list; those of `body`.
template <class... Ts, class Body>
Done WithType(TypeList<Ts...>, ElementType type, Body&& body) {
  Done done = TypeUnsupported(type);
  const auto attempt = [&]<class T>(std::type_identity<T> identity) {
    if (type != TypeOf<T>()) return false;
    done = body(identity);
    return true;
  };
  static_cast<void>((attempt(std::type_identity<Ts>{}) || ...));
  return done;
}

/// Calls `body(std::type_identity<T>{})` with the unsigned integer as wide as an element of `type`:
/// for operators that move elements and never look at them. Errors: kUnsupported `type_unsupported`
/// (no fixed width); those of `body`.
template <class Body>
Done WithWidth(ElementType type, Body&& body) {
  switch (wire::ElementBytes(type)) {
    case 1:
      return body(std::type_identity<uint8_t>{});
    case 2:
      return body(std::type_identity<uint16_t>{});
    case 4:
      return body(std::type_identity<uint32_t>{});
    case 8:
      return body(std::type_identity<uint64_t>{});
    default:
      return TypeUnsupported(type);
  }
}

/// The elements of a tensor as T, whatever its type says: T has its width. Booleans are read this
/// way, as bytes: a peer's may hold values that a C++ bool can't.
template <class T>
const T* Raw(const TensorView& tensor) {
  return reinterpret_cast<const T*>(tensor.bytes.data());
}
template <class T>
T* Raw(Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.MutableBytes().data());
}

}  // namespace ephemeralml::engine::kernels
