#pragma once
// A model that was decomposed in memory, and opened again as the enclave would: what tests compare.

#include <string_view>

#include "client/decompose/decompose.h"
#include "common/wire/topology.pb.h"

namespace ephemeralml::decompose::testing {

struct SplitModel {
  DecomposeReport report;
  wire::Topology topology;
  Bytes blob;

  /// The blob's whole plaintext. Ends the process if a chunk doesn't open.
  Bytes Plaintext() const;
  /// A weight's elements in row-major order, from the blob or the topology. `value` must be a
  /// weight.
  Bytes WeightOf(uint32_t value) const;
  /// The weight entry of a value, or null.
  const wire::Weight* FindWeight(uint32_t value) const;
  /// The only node of that operator, subgraphs included. Ends the process if there isn't one.
  const wire::Node& NodeOf(std::string_view op) const;
};

Result<SplitModel> Split(ByteSpan model, const DecomposeOptions& options = {});

}  // namespace ephemeralml::decompose::testing
