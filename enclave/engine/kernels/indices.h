#pragma once
// Index inputs and places in row-major tensors, for operators that gather and scatter.

#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

/// All elements of an int32 or int64 tensor. Errors: kUnsupported `type_unsupported`; those of
/// RequiredInput.
Result<std::vector<int64_t>> ReadIndexTensor(KernelContext& context, size_t index);

/// `index` counted from the front. Errors: kMalformed `input_invalid` (outside the axis).
Result<size_t> CheckedIndex(int64_t index, int64_t extent);

/// Walks a shape's places in row-major order.
class Places {
 public:
  explicit Places(const Shape& shape) : shape_(shape), at_(shape.size(), 0) {}

  const Shape& at() const { return at_; }
  void Next() {
    for (size_t axis = shape_.size(); axis-- > 0;) {
      if (++at_[axis] < shape_[axis]) return;
      at_[axis] = 0;
    }
  }

 private:
  Shape shape_;
  Shape at_;
};

}  // namespace ephemeralml::engine::kernels
