#include "enclave/engine/kernels/convert.h"

#include "enclave/engine/kernels/convert_one.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

// Booleans are bytes on both sides: what a peer stored may not be a C++ bool.
template <class To, class From>
EPHEMERAL_MULTIVERSION void ConvertRun(const From* source, To* target, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = ConvertOne<To>(source[i]);
}
template <class From>
EPHEMERAL_MULTIVERSION void ConvertToBooleans(const From* source, uint8_t* target, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = Widened(source[i]) != 0 ? 1 : 0;
}
template <class To>
EPHEMERAL_MULTIVERSION void ConvertBooleans(const uint8_t* source, To* target, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = ConvertOne<To>(uint8_t{source[i] != 0});
}

template <class To, class From>
void Convert(const uint8_t* source, uint8_t* target, size_t begin, size_t end) {
  const size_t count = end - begin;
  if constexpr (std::is_same_v<To, bool>) {
    using Stored = std::conditional_t<std::is_same_v<From, bool>, uint8_t, From>;
    ConvertToBooleans(reinterpret_cast<const Stored*>(source) + begin, target + begin, count);
  } else if constexpr (std::is_same_v<From, bool>) {
    ConvertBooleans(source + begin, reinterpret_cast<To*>(target) + begin, count);
  } else {
    ConvertRun(reinterpret_cast<const From*>(source) + begin, reinterpret_cast<To*>(target) + begin,
               count);
  }
}

}  // namespace

Done ConvertElements(Threads& threads, const TensorView& source, ElementType type,
                     MutableByteSpan target, const wire::Narrowing& how) {
  if (IsSmall(source.type) || IsSmall(type)) {
    return ConvertSmall(threads, source, type, target, how);
  }
  return WithType(CastTypes{}, source.type, [&]<class From>(std::type_identity<From>) {
    return WithType(CastTypes{}, type, [&]<class To>(std::type_identity<To>) -> Done {
      const size_t count = source.bytes.size() / sizeof(From);
      CHECK(target.size() == count * sizeof(To));
      threads.ParallelFor(count, kConvertGrain, [&](size_t begin, size_t end) {
        Convert<To, From>(source.bytes.data(), target.data(), begin, end);
      });
      return {};
    });
  });
}

}  // namespace ephemeralml::engine::kernels
