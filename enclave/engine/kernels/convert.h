#pragma once
// Elements of one type as another: all that Cast does, and Pow's operands of mixed types.

#include "common/wire/narrow_float.h"
#include "enclave/engine/base/tensor.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine::kernels {

/// Converts as ONNX's Cast: integers wrap, floating-point values are rounded to nearest among
/// themselves and towards zero to integers, where those out of range give the nearest end of the
/// range and NaN gives 0; anything but zero is true. Integers of less than eight bits, and floats
/// of eight and less, are made as `how` says. `target` has room for as many elements. Errors:
/// kUnsupported `type_unsupported`.
Done ConvertElements(Threads& threads, const TensorView& source, ElementType type,
                     MutableByteSpan target, const wire::Narrowing& how = {});

}  // namespace ephemeralml::engine::kernels
