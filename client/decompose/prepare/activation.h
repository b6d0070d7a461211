#pragma once
// What our own operators can do to a result before they give it away, and how it looks in a graph.

#include "client/decompose/prepare/match.h"

namespace ephemeralml::decompose {

/// Named as in docs/decisions/0006-prepared-graphs.md; no name: none.
struct Activation {
  std::string_view name;
  float alpha = 0;
  float beta = 0;
};

struct MatchedActivation {
  Activation activation;
  const ProgramNode* last = nullptr;  ///< its output is the activated value
};

/// The activation that is all that happens to `value`, if one is.
std::optional<MatchedActivation> MatchActivation(const Rewriter& rewriter, const Facts& facts,
                                                 ValueId value);

/// The attributes that carry it; none if there is no activation.
std::vector<ProgramAttribute> ActivationAttributes(const Activation& activation);

}  // namespace ephemeralml::decompose
