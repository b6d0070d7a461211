#include "enclave/engine/base/tensor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/checked.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml::engine {
namespace {

// More elements than any machine holds, few enough that products with element widths and sums of
// strides stay far from 64 bits' end.
constexpr int64_t kMostElements = int64_t{1} << 42;
// Below this many bytes waking another thread to wipe costs more than it brings.
constexpr size_t kWorthAThread = 32 * 1024;

}  // namespace

Result<size_t> ElementCount(const Shape& shape) {
  // A zero counts as one for the limit: the strides of an empty tensor must be countable too.
  int64_t without_zeros = 1;
  bool empty = false;
  for (const int64_t dim : shape) {
    if (dim < 0) {
      return Error{Code::kMalformed, "shape_invalid",
                   "a tensor has a dimension of " + std::to_string(dim)};
    }
    empty = empty || dim == 0;
    TRY(without_zeros, CheckedMultiply(without_zeros, std::max<int64_t>(dim, 1)));
    if (without_zeros > kMostElements) {
      return Error{Code::kOverLimit, "size_overflow", "a tensor has more elements than we count"};
    }
  }
  return empty ? size_t{0} : static_cast<size_t>(without_zeros);
}

Result<size_t> ByteCount(ElementType type, const Shape& shape) {
  TRY(const size_t elements, ElementCount(shape));
  const size_t width = wire::ElementBytes(type);
  if (width == 0) {
    return Error{Code::kUnsupported, "type_unsupported",
                 "tensors of type " + std::string(wire::Name(type)) + " are not supported"};
  }
  return CheckedMultiply(elements, width);
}

std::vector<int64_t> Strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Result<Tensor> Tensor::Create(Arena& arena, ElementType type, Shape shape) {
  Tensor tensor;
  TRY(tensor.byte_count_, ByteCount(type, shape));
  TRY(ArenaBlock block, arena.Allocate(tensor.byte_count_));
  tensor.type_ = type;
  tensor.shape_ = std::move(shape);
  tensor.storage_ = std::make_shared<ArenaBlock>(std::move(block));
  return tensor;
}

Tensor Tensor::Reshaped(Shape shape) const {
  const Result<size_t> bytes = ByteCount(type_, shape);
  CHECK(bytes.has_value() && *bytes == byte_count_);
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

TensorView Tensor::View() const {
  return {type_, shape_, storage_ == nullptr ? ByteSpan() : std::as_const(*storage_).bytes()};
}

void Tensor::Release(Threads& threads) {
  if (storage_ != nullptr && storage_.use_count() == 1) {
    storage_->Release([&](MutableByteSpan bytes) {
      threads.ParallelFor(bytes.size(), kWorthAThread, [&](size_t begin, size_t end) {
        Wipe(bytes.subspan(begin, end - begin));
      });
    });
  }
  *this = Tensor();
}

MutableByteSpan Tensor::MutableBytes() {
  CHECK(storage_ == nullptr || storage_.use_count() == 1);
  return storage_ == nullptr ? MutableByteSpan() : storage_->bytes();
}

}  // namespace ephemeralml::engine
