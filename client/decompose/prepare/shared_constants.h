#pragma once
// Constants that several graphs of a model use: a graph is prepared as if its constants were its
// own. Part of Prepare.

#include "client/decompose/prepare/facts.h"
#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// Gives every use of a constant a number of its own.
void SeparateConstants(Program& program, Facts& facts);

/// Gives back one number to what would be sealed alike: the same tensor, as it is or packed the
/// same way for the same operator.
void JoinConstants(Program& program);

}  // namespace ephemeralml::decompose
