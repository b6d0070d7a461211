#include "enclave/engine/kernels/stack.h"

#include <algorithm>

namespace ephemeralml::engine::kernels {
namespace {

// The parts' shapes agree but for the axis; returns the whole's.
Result<Shape> JoinedShape(const std::vector<Tensor>& parts, size_t axis, bool is_new_axis) {
  Shape joined = parts.front().shape();
  if (is_new_axis) joined.insert(joined.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  joined[axis] = 0;
  for (const Tensor& part : parts) {
    if (part.kind() != ValueKind::kTensor || part.type() != parts.front().type()) {
      return InputInvalid("tensors that are to be joined differ in type");
    }
    Shape shape = part.shape();
    if (is_new_axis) {
      if (shape.size() + 1 != joined.size()) return ShapeInvalid("joined tensors differ in rank");
      shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    }
    if (shape.size() != joined.size()) return ShapeInvalid("joined tensors differ in rank");
    joined[axis] += shape[axis];
    shape[axis] = joined[axis];
    if (shape != joined) return ShapeInvalid("joined tensors differ in shape");
  }
  return joined;
}

}  // namespace

Result<Tensor> SliceAlong(KernelContext& context, const TensorView& tensor, size_t axis,
                          int64_t first, int64_t count, bool drops_axis) {
  const size_t width = wire::ElementBytes(tensor.type);
  if (width == 0) return TypeUnsupported(tensor.type);
  CHECK(axis < tensor.shape.size() && first >= 0 && count >= 0 &&
        first + count <= tensor.shape[axis] && (!drops_axis || count == 1));
  Shape shape = tensor.shape;
  shape[axis] = count;
  TRY(const size_t outer, CountBetween(tensor.shape, 0, axis));
  TRY(const size_t inner, CountBetween(tensor.shape, axis + 1, tensor.shape.size()));
  if (drops_axis) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  TRY(Tensor slice, Tensor::Create(context.arena(), tensor.type, std::move(shape)));
  const MutableByteSpan target = slice.MutableBytes();
  const size_t run = static_cast<size_t>(count) * inner * width;
  if (run == 0) return slice;
  const size_t row = static_cast<size_t>(tensor.shape[axis]) * inner * width;
  for (size_t i = 0; i < outer; ++i) {
    const size_t from = i * row + static_cast<size_t>(first) * inner * width;
    std::copy_n(tensor.bytes.subspan(from, run).data(), run, target.subspan(i * run, run).data());
  }
  return slice;
}

Result<Tensor> JoinAlong(KernelContext& context, const std::vector<Tensor>& parts, int64_t axis,
                         bool is_new_axis) {
  const Tensor& first = parts.front();
  if (first.kind() != ValueKind::kTensor) return InputInvalid("only tensors can be joined");
  TRY(const size_t at, NormalizeAxis(axis, first.shape().size() + (is_new_axis ? 1 : 0)));
  TRY(Shape shape, JoinedShape(parts, at, is_new_axis));
  const size_t width = wire::ElementBytes(first.type());
  if (width == 0) return TypeUnsupported(first.type());
  TRY(const size_t outer, CountBetween(shape, 0, at));
  TRY(Tensor joined, Tensor::Create(context.arena(), first.type(), std::move(shape)));
  if (joined.byte_count() == 0) return joined;
  const MutableByteSpan target = joined.MutableBytes();
  const size_t row = joined.byte_count() / outer;
  size_t offset = 0;
  for (const Tensor& part : parts) {
    const ByteSpan bytes = part.View().bytes;
    const size_t run = bytes.size() / outer;
    for (size_t i = 0; i < outer && run > 0; ++i) {
      std::copy_n(bytes.subspan(i * run, run).data(), run,
                  target.subspan(i * row + offset, run).data());
    }
    offset += run;
  }
  return joined;
}

}  // namespace ephemeralml::engine::kernels
