#pragma once
// Operators that are compositions of others, as exporters and optimizers write them: each is
// replaced by what it is composed of, before anything else looks at the program, so that neither
// preparation nor the engine knows them. Source: ONNX Runtime's documentation of its contributed
// operators (docs/ContribOperators.md), ONNX's own of the rest.

#include <span>
#include <string_view>

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// The domain in which ONNX Runtime's own operators live.
inline constexpr std::string_view kContributedDomain = "com.microsoft";

struct ExpandedOperator {
  std::string_view domain;  ///< empty: ai.onnx
  std::string_view name;
};

/// All that Expand knows, sorted by domain and name. Not every use of them can be expanded.
std::span<const ExpandedOperator> ExpandedOperators();

/// Expands nodes in all graphs; what can't be expressed stays, for CheckSupport to refuse. Gives
/// the program a version of ai.onnx if it has none. Returns how many nodes it expanded.
size_t Expand(Program& program, onnx::ExternalFiles& files);

}  // namespace ephemeralml::decompose
