#pragma once
// Names become numbers: every use of a value is bound to the one place that makes it, through
// subgraphs, and constants are taken out of the graph.

#include "client/decompose/program/program.h"
#include "common/base/result.h"

namespace ephemeralml::decompose {

/// The program views `model`. Nodes keep the model's order.
/// Errors: kMalformed `graph_invalid` (a value that nothing makes, or that two places make; a
/// subgraph that takes a visible outer value's name for one of its own; no outputs). Source: ONNX
/// IR specification, "Names Within a Graph".
Result<Program> Resolve(const onnx::Model& model);

}  // namespace ephemeralml::decompose
