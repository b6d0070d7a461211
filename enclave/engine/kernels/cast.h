#pragma once
// Cast, for the operators that are one under another name.

#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine::kernels {

/// Makes output 0 input 0's elements as another type. Numbers become the shortest text that reads
/// back as the same; text is read as C's strtod and strtoll do. Errors: kMalformed `input_invalid`
/// (left out, or text that is no number), kUnsupported `type_unsupported`.
Done CastTo(KernelContext& context, ElementType type);

}  // namespace ephemeralml::engine::kernels
