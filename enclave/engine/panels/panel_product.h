#pragma once
// Products of activations with a packed weight, on all threads: each opens its share of the panels,
// piece by piece, multiplies, wipes, goes on. Nothing of a weight lies open but a piece a thread.

#include "enclave/engine/base/kernel.h"
#include "enclave/engine/panels/panel_tile.h"
#include "enclave/weights/panel_reader.h"

namespace ephemeralml::engine::panels {

/// The rows of a product: `images` times `lines` lines of `rows` rows each. Distances in floats; a
/// matrix is one line.
struct Lines {
  int64_t images = 1;
  int64_t lines = 1;
  int64_t rows = 0;
  int64_t left_image = 0;  ///< from one image's first row to the next one's
  int64_t left_line = 0;   ///< from one line's first row to the next one's
  int64_t result_image = 0;
  int64_t result_line = 0;
};

/// result = epilogue(left · weight + bias + residual). Everything is laid out as `lines` and
/// `strides` say; the columns of panel p begin `p * result_panel` floats into the result.
struct Product {
  const weights::PackedWeight* weight = nullptr;
  const float* left = nullptr;
  float* result = nullptr;
  const float* residual = nullptr;  ///< laid out as the result, or null
  Lines lines;
  Strides strides;
  int64_t result_panel = 0;
  std::span<const Segment> segments;  ///< of a row's sum; their steps are the weight's
  Epilogue epilogue;
  bool is_paired = false;  ///< left operand and weight are for MultiplyPairs (pair_tile.h)
};

/// All of these products, in one parallel region. Not from within one.
/// Errors: kUnauthentic `weights_unauthentic`.
Done MultiplyPacked(KernelContext& context, std::span<const Product> products);

}  // namespace ephemeralml::engine::panels
