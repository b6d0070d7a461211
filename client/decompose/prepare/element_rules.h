#pragma once
// How the elements of small tensors follow from each other. Part of Facts.

#include "client/decompose/prepare/facts.h"

namespace ephemeralml::decompose {

/// The integers that a node of ai.onnx with one output makes, if they can be told.
std::optional<Elements> OutputElements(const Facts& facts, const ProgramNode& node);

/// The one float that the node makes, computed as the engine would.
std::optional<float> OutputFloat(const Facts& facts, const ProgramNode& node);

}  // namespace ephemeralml::decompose
