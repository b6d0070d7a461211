#pragma once
// Writes the topology key's content: wire::Topology.

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"
#include "client/decompose/weight_plan.h"
#include "common/base/secret_bytes.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::decompose {

/// What opens a blob, as the key holds it.
struct BlobKey {
  wire::BlobId id = {};
  SecretBytes secret;
  uint64_t chunk_count = 0;
  uint32_t chunk_bytes = 0;
};

/// The serialized message for a program that CheckSupport accepted.
/// Errors: those of onnx::ReadTensorData; kOverLimit `topology_too_large` (more than 256 MiB).
Result<SecretBytes> WriteTopology(const onnx::Model& model, const Program& program,
                                  const WeightPlan& plan, const BlobKey& blob,
                                  onnx::ExternalFiles& files);

}  // namespace ephemeralml::decompose
