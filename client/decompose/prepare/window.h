#pragma once
// The attributes of convolutions and pools over two axes.

#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// `strides`, `pads` and `dilations` of a window of that size; those that are as by default are
/// left out, for each attribute is read anew in every request. None if the node's own are
/// otherwise, or if padding depends on the input's size.
std::optional<std::vector<ProgramAttribute>> ResolvedWindow(const ProgramNode& node,
                                                            const std::vector<int64_t>& kernel);

}  // namespace ephemeralml::decompose
