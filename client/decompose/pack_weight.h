#pragma once
// Puts a weight into the order in which the enclave's kernels read it, panel by panel, on its way
// into the blob. Format: docs/formats/weight_blob.md.

#include <span>

#include "client/decompose/blob_writer.h"
#include "common/wire/data_type.h"
#include "common/wire/packed_layout.h"

namespace ephemeralml::decompose {

/// A weight to be packed. Views what it is made from.
struct PackSource {
  /// float32, row-major, at any address: a matrix [K, N] (or [N, K]), or a convolution's kernel
  /// [channels out, channels in, height, width].
  ByteSpan values;
  std::span<const int64_t> dims;
  bool transposed = false;                                ///< a matrix given as [N, K]
  std::span<const float> bias = {};                       ///< one a column, or none
  std::span<const float> column_scale = {};               ///< multiplied into each column; or none
  wire::ElementType storage = wire::ElementType::kFloat;  ///< or kFloat16, kBfloat16: rounded
  bool paired = false;  ///< a matrix, kBfloat16: two steps of a column side by side
};

/// A bug if there are neither two nor four dimensions, or one of them is 0.
wire::PackedShape PackedShapeOf(std::span<const int64_t> dims, bool transposed, bool has_bias);

/// Memory: 24 KiB, wiped. Errors: the writer's; kInvalidArgument `weight_out_of_range` (a value
/// becomes infinite as float16).
Done AppendPacked(BlobWriter& writer, const PackSource& source);

}  // namespace ephemeralml::decompose
