#pragma once
// The attributes of convolutions and pools over two axes, defaults filled in.

#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// `kernel_shape`, `strides`, `pads` and `dilations` of a window of that size, all given. None if
/// the node's own are otherwise, or if padding depends on the input's size.
std::optional<std::vector<ProgramAttribute>> ResolvedWindow(const ProgramNode& node,
                                                            const std::vector<int64_t>& kernel);

}  // namespace ephemeralml::decompose
