#pragma once
// Says what of a model this system can't run: all of it, before anything is written.

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"
#include "common/base/result.h"

namespace ephemeralml::decompose {

/// The most elements of a constant that may lie in the topology key.
inline constexpr size_t kMostInlineElements = 64;
inline constexpr size_t kLongestAttributeString = 256;

/// Errors, each naming all causes of every kind, with the first kind's reason:
/// kUnsupported `opset_unsupported`, `operator_unsupported`,
/// `attribute_unsupported` (kinds, or more elements than a key may hold), `type_unsupported` (of
/// tensors, or for operators whose kernels don't take them). Alone: kUnsupported `domain_reserved`
/// (the operators that only preparation makes).
/// kMalformed `graph_invalid` (a domain that isn't imported, attributes given
/// twice, names that aren't UTF-8),
/// `tensor_invalid`.
Done CheckSupport(const onnx::Model& model, const Program& program, onnx::ExternalFiles& files);

}  // namespace ephemeralml::decompose
