#pragma once
// Plain loops for matrix products: what the accelerated kernels are compared with. Sums are in
// double.

#include <vector>

#include "enclave/engine/kernels/dense.h"

namespace ephemeralml::engine::kernels::reference {

/// What Multiply leaves in C, given what C holds.
std::vector<float> MultiplyPlain(const Product& product);

}  // namespace ephemeralml::engine::kernels::reference
