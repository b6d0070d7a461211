#pragma once
// Elements of one type as another: all that Cast does, and Pow's operands of mixed types.

#include "enclave/engine/base/tensor.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine::kernels {

/// Converts as ONNX's Cast: integers wrap, floating-point values are rounded to nearest among
/// themselves and towards zero to integers, where those out of range give the nearest end of the
/// range and NaN gives 0; anything but zero is true. `target` has room for as many elements.
/// Errors: kUnsupported `type_unsupported`.
Done ConvertElements(Threads& threads, const TensorView& source, ElementType type,
                     MutableByteSpan target);

}  // namespace ephemeralml::engine::kernels
