#pragma once
// Puts every graph's nodes in an order of execution and drops those that no output needs.

#include "client/decompose/program/program.h"
#include "common/base/result.h"

namespace ephemeralml::decompose {

/// Keeps the model's order where that is an order of execution.
/// Errors: kMalformed `graph_invalid` (values that depend on themselves).
Done OrderNodes(ProgramGraph& graph);

/// Removes nodes, in subgraphs too, whose outputs nothing uses. Needs an order of execution.
void DropDeadNodes(ProgramGraph& graph);

}  // namespace ephemeralml::decompose
