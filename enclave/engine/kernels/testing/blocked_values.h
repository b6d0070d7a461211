#pragma once
// Pictures in blocks of sixteen channels, as tests of the prepared operators give them.

#include <vector>

#include "enclave/engine/base/tensor.h"

namespace ephemeralml::engine::testing {

/// Elements of [N, C, H, W] as [N, ⌈C/16⌉, H, W, 16], zeros in the lanes past C.
std::vector<float> Block(const Shape& shape, const std::vector<float>& plain);

/// [N, ⌈C/16⌉, H, W, 16] for [N, C, H, W].
Shape BlockedShape(const Shape& shape);

}  // namespace ephemeralml::engine::testing
