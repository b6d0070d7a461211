#pragma once
// Splits an ONNX model in two: the topology key's content, which the client keeps, and the sealed
// weight blob, which anybody may store.

#include <filesystem>

#include "client/decompose/blob_writer.h"
#include "common/base/secret_bytes.h"
#include "common/wire/blob_format.h"
#include "common/wire/data_type.h"

namespace ephemeralml::decompose {

struct DecomposeReport {
  SecretBytes topology_message;  ///< a serialized wire::Topology, for keys::Save
  wire::BlobId blob_id = {};
  uint64_t nodes = 0;
  uint64_t sealed_weights = 0;
  uint64_t sealed_weight_bytes = 0;  ///< of plaintext, before padding
  uint64_t inline_constants = 0;
  uint64_t chunks = 0;
  uint64_t blob_bytes = 0;
};

struct DecomposeOptions {
  /// False: the graph stays as the model has it, for tests and for whoever looks for a difference.
  bool preparation = true;
  /// How packed weights are stored: kFloat as the model has them, kFloat16 or kBfloat16 rounded to
  /// the nearest. Products are computed with float32 all the same.
  wire::ElementType weights = wire::ElementType::kFloat;
  /// What products with packed matrices, and those of attention, are computed with: kFloat; or
  /// kBfloat16, in which both factors are rounded and sums are float32. Needs preparation: else
  /// nothing is packed.
  wire::ElementType compute = wire::ElementType::kFloat;
};

/// Reads the model and writes the blob; every call draws a new blob id and a new secret. All checks
/// come before the first byte is written; if anything fails, no file is left.
/// Memory: about one converted tensor beside the graph, however large the weights are.
/// Errors: those of onnx::ReadModel, Resolve, OrderNodes, CheckSupport and PlanWeights; kNotFound
/// `file_not_found`; kIo `file_unreadable`, `file_unwritable`; kOverLimit `blob_too_large`,
/// `topology_too_large`;
/// kInvalidArgument `weight_out_of_range` (too large for half precision).
Result<DecomposeReport> Decompose(const std::filesystem::path& model_path,
                                  const std::filesystem::path& blob_path,
                                  const ProgressFn& progress = {},
                                  const DecomposeOptions& options = {});

/// As above, from memory to a sink. Models with external data are refused: there is no folder.
Result<DecomposeReport> DecomposeBytes(ByteSpan model, const BlobSink& sink,
                                       const ProgressFn& progress = {},
                                       const DecomposeOptions& options = {});

}  // namespace ephemeralml::decompose
