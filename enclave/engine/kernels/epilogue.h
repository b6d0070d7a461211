#pragma once
// What a prepared operator does to its sums: its `activation` attribute, as docs/decisions/0006
// lists them.

#include "enclave/engine/base/attributes.h"
#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::kernels {

/// The attribute `name`, and its parameters `<name>_alpha` and `<name>_beta`.
/// Errors: kMalformed `attribute_invalid` (unknown), those of Attributes.
Result<panels::Epilogue> ReadEpilogue(const Attributes& attributes,
                                      const std::string& name = "activation");

}  // namespace ephemeralml::engine::kernels
