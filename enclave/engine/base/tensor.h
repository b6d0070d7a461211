#pragma once
// Tensors of the engine: activations owned by the request's arena, and views that kernels read.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/arena.h"
#include "common/base/result.h"
#include "common/wire/data_type.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine {

using wire::ElementType;
using wire::ValueKind;
using Shape = std::vector<int64_t>;

/// The product of the dimensions; 1 for a scalar. Errors: kMalformed `shape_invalid` (a negative
/// dimension, or more than 64 dimensions), kOverLimit `size_overflow`.
Result<size_t> ElementCount(const Shape& shape);

/// ElementCount times the element's width. Errors: as ElementCount.
Result<size_t> ByteCount(ElementType type, const Shape& shape);

/// Row-major strides in elements.
std::vector<int64_t> Strides(const Shape& shape);

/// C++ type of an ElementType, for the types whose values we compute with.
template <class T>
constexpr ElementType TypeOf();
template <>
constexpr ElementType TypeOf<float>() {
  return ElementType::kFloat;
}
template <>
constexpr ElementType TypeOf<double>() {
  return ElementType::kDouble;
}
template <>
constexpr ElementType TypeOf<int8_t>() {
  return ElementType::kInt8;
}
template <>
constexpr ElementType TypeOf<int16_t>() {
  return ElementType::kInt16;
}
template <>
constexpr ElementType TypeOf<int32_t>() {
  return ElementType::kInt32;
}
template <>
constexpr ElementType TypeOf<int64_t>() {
  return ElementType::kInt64;
}
template <>
constexpr ElementType TypeOf<uint8_t>() {
  return ElementType::kUint8;
}
template <>
constexpr ElementType TypeOf<uint16_t>() {
  return ElementType::kUint16;
}
template <>
constexpr ElementType TypeOf<uint32_t>() {
  return ElementType::kUint32;
}
template <>
constexpr ElementType TypeOf<uint64_t>() {
  return ElementType::kUint64;
}
template <>
constexpr ElementType TypeOf<bool>() {
  return ElementType::kBool;
}

/// A row-major tensor that somebody else owns; valid while its owner lives.
struct TensorView {
  ElementType type = ElementType::kUndefined;
  Shape shape;
  ByteSpan bytes;

  /// The elements. A bug, not an input error, if T isn't the tensor's type.
  template <class T>
  std::span<const T> Values() const {
    CHECK(type == TypeOf<T>());
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

/// The elements of a tensor of strings, as views into its bytes.
/// Errors: kMalformed `strings_malformed`; those of ElementCount.
Result<std::vector<std::string_view>> Strings(const TensorView& tensor);

/// The longest sequence, and the most steps whose results a loop gathers.
inline constexpr size_t kLongestSequence = size_t{1} << 20;

/// An activation: row-major, in arena memory that several tensors may share (as Reshape's input and
/// output do). A shared tensor's elements are never written. A value may also be a sequence of
/// tensors, or the nothing that an optional holds: these have neither type nor shape.
class Tensor {
 public:
  Tensor() = default;
  /// A zeroed tensor. Errors: as ByteCount, kOverLimit `session_memory_exceeded`.
  static Result<Tensor> Create(Arena& arena, ElementType type, Shape shape);
  static Result<Tensor> Create(Arena& arena, ElementType type, Shape shape, Threads& threads);
  /// For callers who write every element before they read one. Errors: as Create.
  static Result<Tensor> CreateToOverwrite(Arena& arena, ElementType type, Shape shape);

  /// A copy of the elements. Errors: as Create; kMalformed `strings_malformed`.
  static Result<Tensor> CopyOf(Arena& arena, const TensorView& view);
  /// A tensor of strings, one for each place of the shape. Errors: as Create.
  static Result<Tensor> OfStrings(Arena& arena, Shape shape,
                                  std::span<const std::string_view> strings);
  /// Errors: kOverLimit `sequence_too_long`; kMalformed `input_invalid` (an element that is itself
  /// a sequence, or nothing).
  static Result<Tensor> Sequence(std::vector<Tensor> elements);
  static Tensor Nothing();

  ValueKind kind() const { return kind_; }
  /// Of a sequence.
  const std::vector<Tensor>& elements() const;

  /// The same elements under another shape of equal element count.
  Tensor Reshaped(Shape shape) const;

  ElementType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  size_t byte_count() const { return byte_count_; }
  TensorView View() const;

  template <class T>
  std::span<T> MutableValues() {
    CHECK(type_ == TypeOf<T>() && (storage_ == nullptr || storage_.use_count() == 1));
    return {reinterpret_cast<T*>(MutableBytes().data()), byte_count_ / sizeof(T)};
  }
  MutableByteSpan MutableBytes();

  /// Lets go of the elements; if nobody else has them, the arena may overwrite them from now on.
  void Discard();

 private:
  static Result<Tensor> CreateOn(Result<ArenaBlock> block, ElementType type, Shape shape);

  ElementType type_ = ElementType::kUndefined;
  Shape shape_;
  size_t byte_count_ = 0;
  std::shared_ptr<ArenaBlock> storage_;
  ValueKind kind_ = ValueKind::kTensor;
  std::shared_ptr<const std::vector<Tensor>> elements_;
};

/// Wipes by all threads. Not from within a parallel region.
void WipeByAll(Threads& threads, MutableByteSpan bytes);

}  // namespace ephemeralml::engine
