#include "enclave/engine/base/tensor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/checked.h"
#include "common/base/secret_bytes.h"
#include "common/wire/strings.h"

namespace ephemeralml::engine {
namespace {

// More elements than any machine holds, few enough that products with element widths and sums of
// strides stay far from 64 bits' end.
constexpr int64_t kMostElements = int64_t{1} << 42;
// What an empty tensor's other dimensions may come to: loops over them take no memory that would
// bound them, and its strides must be countable, too.
constexpr int64_t kMostOfEmpty = int64_t{1} << 30;
constexpr size_t kMostDimensions = 64;
// Below this many bytes waking another thread to wipe costs more than it brings.
constexpr size_t kWorthAThread = 32 * 1024;

}  // namespace

Result<size_t> ElementCount(const Shape& shape) {
  if (shape.size() > kMostDimensions) {
    return Error{Code::kMalformed, "shape_invalid", "a tensor has more than 64 dimensions"};
  }
  int64_t without_zeros = 1;
  bool empty = false;
  for (const int64_t dim : shape) {
    if (dim < 0) {
      return Error{Code::kMalformed, "shape_invalid", "a tensor has a negative dimension"};
    }
    empty = empty || dim == 0;
    TRY(without_zeros, CheckedMultiply(without_zeros, std::max<int64_t>(dim, 1)));
    if (without_zeros > kMostElements) {
      return Error{Code::kOverLimit, "size_overflow", "a tensor has more elements than we count"};
    }
  }
  if (!empty) return static_cast<size_t>(without_zeros);
  if (without_zeros > kMostOfEmpty) {
    return Error{Code::kOverLimit, "size_overflow",
                 "an empty tensor's other dimensions are larger than we count"};
  }
  return size_t{0};
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
  TRY(const size_t bytes, ByteCount(type, shape));
  return CreateOn(arena.Allocate(bytes), type, std::move(shape));
}

Result<Tensor> Tensor::Create(Arena& arena, ElementType type, Shape shape, Threads& threads) {
  TRY(const size_t bytes, ByteCount(type, shape));
  const auto wipe = [&](MutableByteSpan stale) { WipeByAll(threads, stale); };
  return CreateOn(arena.Allocate(bytes, wipe), type, std::move(shape));
}

Result<Tensor> Tensor::CreateToOverwrite(Arena& arena, ElementType type, Shape shape) {
  TRY(const size_t bytes, ByteCount(type, shape));
  return CreateOn(arena.AllocateToOverwrite(bytes), type, std::move(shape));
}

Result<Tensor> Tensor::CreateOn(Result<ArenaBlock> allocated, ElementType type, Shape shape) {
  Tensor tensor;
  TRY(ArenaBlock block, std::move(allocated));
  tensor.byte_count_ = block.bytes().size();
  tensor.type_ = type;
  tensor.shape_ = std::move(shape);
  tensor.storage_ = std::make_shared<ArenaBlock>(std::move(block));
  return tensor;
}

Result<std::vector<std::string_view>> Strings(const TensorView& tensor) {
  CHECK(tensor.type == ElementType::kString);
  TRY(const size_t count, ElementCount(tensor.shape));
  return wire::DecodeStrings(tensor.bytes, count);
}

Result<Tensor> Tensor::CopyOf(Arena& arena, const TensorView& view) {
  if (view.type == ElementType::kString) {
    TRY(const std::vector<std::string_view> strings, Strings(view));
    return OfStrings(arena, view.shape, strings);
  }
  TRY(Tensor copy, CreateToOverwrite(arena, view.type, view.shape));
  CHECK(copy.byte_count_ == view.bytes.size());
  std::copy_n(view.bytes.data(), view.bytes.size(), copy.MutableBytes().data());
  return copy;
}

Result<Tensor> Tensor::OfStrings(Arena& arena, Shape shape,
                                 std::span<const std::string_view> strings) {
  TRY(const size_t count, ElementCount(shape));
  CHECK(count == strings.size());
  Tensor tensor;
  TRY(tensor.byte_count_, wire::EncodedSize(strings));
  TRY(ArenaBlock block, arena.Allocate(tensor.byte_count_));
  wire::EncodeStrings(strings, block.bytes());
  tensor.type_ = ElementType::kString;
  tensor.shape_ = std::move(shape);
  tensor.storage_ = std::make_shared<ArenaBlock>(std::move(block));
  return tensor;
}

Result<Tensor> Tensor::Sequence(std::vector<Tensor> elements) {
  if (elements.size() > kLongestSequence) {
    return Error{Code::kOverLimit, "sequence_too_long",
                 "a sequence has more elements than a sequence may have"};
  }
  for (const Tensor& element : elements) {
    if (element.kind_ == ValueKind::kTensor) continue;
    return Error{Code::kMalformed, "input_invalid", "a sequence's elements must be tensors"};
  }
  Tensor sequence;
  sequence.kind_ = ValueKind::kSequence;
  sequence.elements_ = std::make_shared<const std::vector<Tensor>>(std::move(elements));
  return sequence;
}

Tensor Tensor::Nothing() {
  Tensor nothing;
  nothing.kind_ = ValueKind::kNothing;
  return nothing;
}

const std::vector<Tensor>& Tensor::elements() const {
  CHECK(kind_ == ValueKind::kSequence);
  return *elements_;
}

Tensor Tensor::Reshaped(Shape shape) const {
  const Result<size_t> count = ElementCount(shape);
  const Result<size_t> own_count = ElementCount(shape_);
  CHECK(kind_ == ValueKind::kTensor && count && own_count && *count == *own_count);
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

TensorView Tensor::View() const {
  return {type_, shape_, storage_ == nullptr ? ByteSpan() : std::as_const(*storage_).bytes()};
}

void Tensor::Discard() {
  if (storage_ != nullptr && storage_.use_count() == 1) storage_->Discard();
  *this = Tensor();
}

MutableByteSpan Tensor::MutableBytes() {
  CHECK(storage_ == nullptr || storage_.use_count() == 1);
  return storage_ == nullptr ? MutableByteSpan() : storage_->bytes();
}

void WipeByAll(Threads& threads, MutableByteSpan bytes) {
  threads.ParallelFor(bytes.size(), kWorthAThread,
                      [&](size_t begin, size_t end) { Wipe(bytes.subspan(begin, end - begin)); });
}

}  // namespace ephemeralml::engine
