#pragma once
// Rewrites a checked program into one with fewer and larger operators, among them the engine's own
// (docs/decisions/0006-prepared-graphs.md). The result computes the same, up to rounding.

#include <functional>
#include <string_view>

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// True for the operators of our own domain that the engine has.
using HasKernel = std::function<bool(std::string_view op)>;

/// The program must be accepted by CheckSupport, in an order of execution, without dead nodes; it
/// stays so. A pattern that isn't surely what it looks like stays as it is: nothing can fail here.
/// `in_bfloat16`: so are products of activations computed, where the engine can.
void Prepare(Program& program, onnx::ExternalFiles& files, const HasKernel& has_kernel,
             bool in_bfloat16 = false);

}  // namespace ephemeralml::decompose
