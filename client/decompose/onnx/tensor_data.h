#pragma once
// A tensor's elements, whichever of ONNX's encodings they came in. ONNX packs elements of less than
// eight bits, the first into a byte's lowest bits; here they have a byte each (data_type.h).

#include <utility>

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/onnx/model.h"
#include "common/wire/data_type.h"

namespace ephemeralml::onnx {

inline constexpr size_t kMostDimensions = 32;

/// Little-endian, row-major. Either a view of the model's bytes or a converted copy. Move-only.
class TensorData {
 public:
  static TensorData ViewOf(ByteSpan bytes) { return TensorData({}, bytes, true); }
  static TensorData Owning(Bytes bytes) { return TensorData(std::move(bytes), {}, false); }
  TensorData(TensorData&&) = default;
  TensorData& operator=(TensorData&&) = default;

  ByteSpan bytes() const { return is_view_ ? view_ : ByteSpan(owned_); }

 private:
  TensorData(Bytes owned, ByteSpan view, bool is_view)
      : owned_(std::move(owned)), view_(view), is_view_(is_view) {}

  Bytes owned_;
  ByteSpan view_;
  bool is_view_;
};

/// The tensor's type; kUndefined if it has no fixed width or isn't known.
wire::ElementType TypeOf(const Tensor& tensor);

/// Bytes of all elements, as TensorData holds them. Errors: kMalformed `tensor_invalid` (negative
/// or too many dimensions), kUnsupported `type_unsupported`, kOverLimit `size_overflow`.
Result<size_t> ByteCount(const Tensor& tensor);

/// A byte for each of `count` packed elements of less than eight bits, of which there are enough.
Bytes Unpacked(wire::ElementType type, ByteSpan packed, size_t count);

/// Errors: those of ByteCount and ExternalFiles::View; kMalformed `tensor_invalid` (data of another
/// size than the dimensions say, values out of the type's range).
Result<TensorData> ReadTensorData(const Tensor& tensor, ExternalFiles& files);

}  // namespace ephemeralml::onnx
