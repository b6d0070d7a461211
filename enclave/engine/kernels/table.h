#pragma once
// Which function makes which operator's kernel: common/operators/operators.inc, read as code.

#include <string_view>

#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine::kernels {

/// Finds the maker for a node of an operator set version. "ai.onnx" is the same domain as "".
/// Errors: kUnsupported `operator_unsupported`.
Result<KernelMaker> FindKernel(std::string_view domain, std::string_view op, int64_t opset);

}  // namespace ephemeralml::engine::kernels
