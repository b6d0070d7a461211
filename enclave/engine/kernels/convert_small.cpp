// Elements of less than eight bits, and floats of eight: their values come from a table, and their
// formats (common/wire/narrow_float.h) make them.

#include "enclave/engine/kernels/convert_one.h"

namespace ephemeralml::engine::kernels {
namespace {

struct FloatReader {
  const float* values = nullptr;  // by byte

  float operator()(uint8_t byte) const { return values[byte]; }
};

struct IntegerReader {
  wire::SmallInteger format;

  int32_t operator()(uint8_t byte) const { return format.Read(byte); }
};

struct FloatWriter {
  wire::NarrowFloat format;
  wire::Narrowing how;

  template <class T>
  uint8_t operator()(T value) const {
    return static_cast<uint8_t>(wire::Narrow(format, wire::ToDouble(value), how));
  }
};

struct IntegerWriter {
  wire::SmallInteger format;
  wire::Narrowing how;

  template <class T>
  uint8_t operator()(T value) const {
    if constexpr (std::is_floating_point_v<T>) {
      return format.Round(static_cast<double>(value), how);
    } else {
      return format.Keep(static_cast<uint64_t>(value));
    }
  }
};

template <class Body>
Done WithReader(ElementType type, Body&& body) {
  if (wire::IsSmallInteger(type)) return body(IntegerReader{wire::SmallIntegerOf(type)});
  return body(FloatReader{wire::ValuesOf(type).data()});
}

template <class Body>
Done WithWriter(ElementType type, const wire::Narrowing& how, Body&& body) {
  if (wire::IsSmallInteger(type)) return body(IntegerWriter{wire::SmallIntegerOf(type), how});
  return body(FloatWriter{wire::FormatOf(type), how});
}

// Elements are read as From and written as To: booleans as bytes, for a peer may have stored
// anything.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

template <class From, class To, class Function>
Done ForEach(Threads& threads, ByteSpan source, MutableByteSpan target, Function function) {
  const auto* from = reinterpret_cast<const From*>(source.data());
  auto* to = reinterpret_cast<To*>(target.data());
  const size_t count = source.size() / sizeof(From);
  CHECK(target.size() == count * sizeof(To));
  threads.ParallelFor(count, kConvertGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) to[i] = function(from[i]);
  });
  return {};
}

Done FromSmall(Threads& threads, const TensorView& source, ElementType type,
               MutableByteSpan target) {
  return WithReader(source.type, [&](auto read) {
    return WithType(CastTypes{}, type, [&]<class To>(std::type_identity<To>) {
      const auto convert = [&](uint8_t byte) -> Stored<To> {
        if constexpr (std::is_same_v<To, bool>) {
          return read(byte) != 0 ? 1 : 0;
        } else {
          return ConvertOne<To>(read(byte));
        }
      };
      return ForEach<uint8_t, Stored<To>>(threads, source.bytes, target, convert);
    });
  });
}

Done ToSmall(Threads& threads, const TensorView& source, ElementType type, MutableByteSpan target,
             const wire::Narrowing& how) {
  return WithWriter(type, how, [&](auto write) {
    return WithType(CastTypes{}, source.type, [&]<class From>(std::type_identity<From>) {
      const auto convert = [&](Stored<From> value) {
        if constexpr (std::is_same_v<From, bool>) {
          return write(uint32_t{value != 0});
        } else {
          return write(Widened(value));
        }
      };
      return ForEach<Stored<From>, uint8_t>(threads, source.bytes, target, convert);
    });
  });
}

}  // namespace

Done ConvertSmall(Threads& threads, const TensorView& source, ElementType type,
                  MutableByteSpan target, const wire::Narrowing& how) {
  if (!IsSmall(type)) return FromSmall(threads, source, type, target);
  if (!IsSmall(source.type)) return ToSmall(threads, source, type, target, how);
  return WithReader(source.type, [&](auto read) {
    return WithWriter(type, how, [&](auto write) {
      return ForEach<uint8_t, uint8_t>(threads, source.bytes, target,
                                       [&](uint8_t byte) { return write(read(byte)); });
    });
  });
}

}  // namespace ephemeralml::engine::kernels
