#pragma once
// Follows element types through a program and says where an operator gets one that its kernel
// doesn't take: what the enclave would refuse is refused before anything is written.

#include <string>
#include <vector>

#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// One cause a node, as a refusal names it. Needs an order of execution. Types that the graph alone
/// doesn't tell are taken to be right.
std::vector<std::string> FindTypeCauses(const Program& program);

}  // namespace ephemeralml::decompose
