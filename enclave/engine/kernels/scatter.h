#pragma once
// What the scattering operators share: a copy of the data, and updates that are put or folded in.

#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

enum class ScatterReduction { kNone, kAdd, kMultiply, kMax, kMin };

/// The node's attribute `reduction`. Errors: kMalformed `attribute_invalid`.
Result<ScatterReduction> ReadScatterReduction(const NodeSpec& node);

/// Output 0: input 0 with runs of `run` updates taken, in their order, to the elements that begin
/// at `places`. The places lie within the data, and there is one for each run. Errors: kMalformed
/// `input_invalid` (types differ), kUnsupported `type_unsupported` (no arithmetic on them).
Done Scatter(KernelContext& context, const TensorView& updates, const std::vector<size_t>& places,
             size_t run, ScatterReduction reduction);

}  // namespace ephemeralml::engine::kernels
