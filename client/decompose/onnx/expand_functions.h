#pragma once
// Functions that a model defines itself: every node that calls one becomes the function's nodes.

#include "client/decompose/onnx/model.h"
#include "common/base/result.h"

namespace ephemeralml::onnx {

/// How deeply functions may call functions.
inline constexpr int kDeepestCall = 32;
/// Nodes that calls may become, all together.
inline constexpr size_t kMostExpandedNodes = 1'000'000;

/// Afterwards `model.functions` is empty. Inner names get a part of their own at each call.
/// Errors: kMalformed `graph_invalid` (a call that doesn't fit its function, a function that calls
/// itself); kUnsupported `functions_unsupported` (it imports another version of an operator set
/// than the model does); kOverLimit `onnx_too_large`. Source: ONNX IR specification, "Functions".
Done ExpandFunctions(Model& model);

}  // namespace ephemeralml::onnx
