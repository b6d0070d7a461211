#pragma once
// What the operators of quantized networks share: which scale and zero point belong to an element,
// and rounding to integers of few bits.

#include <limits>
#include <type_traits>
#include <vector>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/half.h"

namespace ephemeralml::engine::kernels {

using QuantizedTypes = TypeList<int8_t, uint8_t, int16_t, uint16_t>;

/// Elements in a row that one scale, or consecutive ones, belong to.
struct ScaleRun {
  size_t element = 0;
  size_t scale = 0;
  size_t count = 0;
  size_t step = 0;  ///< from one element's scale to the next one's
};

/// Finds the scale of each element of a tensor: one for all, one for each index of an axis, or one
/// for each block of an axis.
class ScaleMap {
 public:
  /// `axis` counts only if `scale` has more than one element. `block` is 0 if nothing is blocked.
  /// Errors: kMalformed `shape_invalid`, `attribute_invalid`.
  static Result<ScaleMap> Create(const Shape& shape, const Shape& scale, int64_t axis,
                                 int64_t block);

  size_t run_count() const { return run_count_; }
  /// How many runs a thread takes at least.
  size_t grain() const;
  ScaleRun RunAt(size_t index) const;

 private:
  static Done CheckScale(const Shape& shape, const Shape& scale, size_t axis, int64_t block);

  enum class Kind { kOne, kAxis, kLastAxis, kBlocks, kLastBlocks };
  Kind kind_ = Kind::kOne;
  size_t count_ = 0;   // of all elements
  size_t extent_ = 1;  // of the axis
  size_t inner_ = 1;   // elements of one index of the axis
  size_t block_ = 1;
  size_t blocks_ = 1;  // of the axis
  size_t run_count_ = 0;
};

/// A scale's elements as floats. Types: float, float16, bfloat16, float8e8m0, int32.
/// Errors: kUnsupported `type_unsupported`; those of KernelContext::Input.
Result<std::vector<float>> ReadScales(KernelContext& context, size_t index);

/// Zero points as integers, or `count` zeros if the input is left out. Types: all of
/// QuantizedTypes, int32, and integers of less than eight bits. Errors: as ReadScales; kMalformed
/// `shape_invalid` (not `count` of them).
Result<std::vector<int32_t>> ReadZeroPoints(KernelContext& context, size_t index, size_t count);

/// As above, of a small type: floats of eight bits and less, integers of less than eight.
Result<std::vector<float>> ReadSmallZeroPoints(KernelContext& context, size_t index, size_t count);

/// `value`, which lies between -2^22 and 2^22, rounded to nearest, ties to even.
[[gnu::always_inline]] inline float RoundSmall(float value) {
  // Adding puts the unit into the lowest bit of the mantissa; the current rounding mode does it.
  constexpr float kUnits = 12582912.0F;
  return (value + kUnits) - kUnits;
}

/// The numbers that integers of few bits may be.
struct IntegerRange {
  int32_t least = 0;
  int32_t most = 0;
};
template <class T>
inline constexpr IntegerRange kRangeOf = {std::numeric_limits<T>::min(),
                                          std::numeric_limits<T>::max()};

/// `value` rounded to nearest, ties to even, plus the zero point, within the range; NaN gives the
/// range's lower end.
template <class T>
[[gnu::always_inline]] inline T Saturate(float value, int32_t zero_point,
                                         IntegerRange range = kRangeOf<T>) {
  static_assert(sizeof(T) <= 2);
  const auto low = static_cast<float>(range.least - zero_point);
  const auto high = static_cast<float>(range.most - zero_point);
  const float above = value > low ? value : low;
  const float within = above < high ? above : high;
  return static_cast<T>(static_cast<int32_t>(RoundSmall(within)) + zero_point);
}

/// The type that an attribute names; kUndefined if it is left out or 0. Errors: kUnsupported
/// `type_unsupported` (no type of fixed width); those of Attributes.
Result<ElementType> ReadLinearType(const NodeSpec& node, std::string_view name);

/// The version of ai.onnx that a node's operator follows: our own follow the newest.
int64_t OnnxVersion(const NodeSpec& node);

}  // namespace ephemeralml::engine::kernels
