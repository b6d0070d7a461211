#pragma once
// How shapes follow from shapes, an operator of ai.onnx at a time. Part of Facts.

#include "client/decompose/prepare/facts.h"

namespace ephemeralml::decompose {

using MaybeShape = std::optional<SizeList>;

/// The shapes of the node's outputs, none where they don't follow. Inputs that no kernel would take
/// may give any answer.
std::vector<MaybeShape> OutputShapes(Facts& facts, const ProgramNode& node);

/// The node's input at `index`; 0 if it is left out.
ValueId InputOf(const ProgramNode& node, size_t index);

/// `axis` counted from the front; none if it is outside a tensor of that rank.
std::optional<size_t> AxisOf(int64_t axis, size_t rank);

/// The axes that Squeeze, Unsqueeze and reductions name: in an attribute in opsets before `since`,
/// in the second input from then on. None: left out. `is_unknown`: they can't be told.
std::optional<std::vector<int64_t>> AxesOf(const Facts& facts, const ProgramNode& node,
                                           int64_t since, bool& is_unknown);

/// What Slice takes: one of each for every axis that it cuts.
struct Cut {
  int64_t axis = 0;
  Size begin;
  Size end;
  Size step = {.value = 1, .symbol = 0};
};

/// From attributes before version 10, from inputs since. None: it can't be told.
std::optional<std::vector<Cut>> CutsOf(const Facts& facts, const ProgramNode& slice);

/// Convolutions, pools and Resize: spatial dimensions.
MaybeShape WindowShape(Facts& facts, const ProgramNode& node);

/// Operators that move elements about: Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Concat,
/// Gather, Slice, Expand.
MaybeShape MovedShape(Facts& facts, const ProgramNode& node);

}  // namespace ephemeralml::decompose
