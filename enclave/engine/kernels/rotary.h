#pragma once
// Rotary position embedding: pairs of a head's columns are turned by an angle that grows with the
// row's place.

#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/panels/attention.h"

namespace ephemeralml::engine::kernels {

/// Cosines and sines, a row of `pairs` a place, and which columns make a pair.
struct Rotation {
  std::span<const float> cosines;
  std::span<const float> sines;
  int64_t places = 0;
  int64_t pairs = 0;
  bool interleaved = false;  ///< neighbours; otherwise columns `pairs` apart
};

/// Two tables with a row a place, as two axes. Errors: kMalformed `shape_invalid`, `input_invalid`;
/// kUnsupported `type_unsupported`; those of KernelContext::Input.
Result<Rotation> ReadRotation(KernelContext& context, size_t cosines, size_t sines,
                              bool interleaved);

/// Heads of rows that are turned, of which columns beyond the pairs are copied.
struct RotatedHeads {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t rows = 0;
  int64_t columns = 0;  ///< at least twice the pairs
  panels::HeadRows<const float> from;
  panels::HeadRows<float> to;
  std::span<const int64_t> places;  ///< [batch, rows], each below the rotation's
};

void Rotate(Threads& threads, const Rotation& rotation, const RotatedHeads& heads);

}  // namespace ephemeralml::engine::kernels
