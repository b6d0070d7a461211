#pragma once
// Slices of tensors along an axis, and tensors made of slices: what loops, scans and sequences
// share.

#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

/// `count` places of an axis from `first` on, within the tensor. The axis stays unless
/// `drops_axis`, which needs a count of 1. Errors: kUnsupported `type_unsupported`, kOverLimit.
Result<Tensor> SliceAlong(KernelContext& context, const TensorView& tensor, size_t axis,
                          int64_t first, int64_t count, bool drops_axis);

/// Tensors of one type side by side along an axis that they have, or that is new. At least one.
/// Errors: kMalformed `shape_invalid`, `input_invalid`; kUnsupported `type_unsupported`.
Result<Tensor> JoinAlong(KernelContext& context, const std::vector<Tensor>& parts, int64_t axis,
                         bool is_new_axis);

}  // namespace ephemeralml::engine::kernels
