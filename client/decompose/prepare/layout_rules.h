#pragma once
// Which nodes can work on blocked tensors [N, C / 16, H, W, 16] as they do on [N, C, H, W]. Part of
// AssignLayouts.

#include <limits>

#include "client/decompose/prepare/facts.h"

namespace ephemeralml::decompose {

inline constexpr int64_t kLanes = 16;

/// A value that is there in blocked form.
struct Blocked {
  ValueId id = 0;
  int64_t channels = 0;
  /// The lanes past the channels hold numbers, and none of a larger magnitude: they must stay
  /// finite, for a convolution multiplies them, with zero.
  double lanes = 0;
};

/// What a node's blocked form is, given its operands': null where one is planar.
using BlockedOperands = std::vector<const Blocked*>;

/// How lanes grow in an elementwise operator of one input that keeps finite numbers finite; none if
/// the node is no such operator.
std::optional<double> UnaryLanes(const Facts& facts, const ProgramNode& node, double lanes);

/// As UnaryLanes, for an activation that our own operator applies.
double ActivationLanes(const ProgramNode& node, double lanes);

/// As UnaryLanes, for Add, Sub and Mul of tensors.
std::optional<double> BinaryLanes(const ProgramNode& node, double a, double b);

/// The largest magnitude that lanes may have.
inline constexpr double kMostLanes = 1e12;

}  // namespace ephemeralml::decompose
