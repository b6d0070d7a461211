#pragma once
// What a prepared operator does to its sums: its `activation` attribute, as docs/decisions/0006
// lists them.

#include "enclave/engine/base/attributes.h"
#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::kernels {

/// Errors: kMalformed `attribute_invalid` (unknown), those of Attributes.
Result<panels::Epilogue> ReadEpilogue(const Attributes& attributes);

}  // namespace ephemeralml::engine::kernels
