#pragma once
// Cast, for the operators that are one under another name.

#include "common/wire/narrow_float.h"
#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine::kernels {

/// Makes output 0 input 0's elements as another type. Numbers become the shortest text that reads
/// back as the same; text is read as C's strtod and strtoll do. Errors: kMalformed `input_invalid`
/// (left out, or text that is no number), kUnsupported `type_unsupported`.
Done CastTo(KernelContext& context, ElementType type, const wire::Narrowing& how);

/// How a node of Cast or CastLike makes elements of eight bits and less.
/// Errors: kMalformed `attribute_invalid`.
Result<wire::Narrowing> ReadNarrowing(const NodeSpec& node);

}  // namespace ephemeralml::engine::kernels
