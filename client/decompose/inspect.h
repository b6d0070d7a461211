#pragma once
// What a topology key holds, for people: `ephemeralml inspect`.

#include <map>
#include <string>
#include <vector>

#include "common/base/secret_bytes.h"
#include "common/wire/blob_format.h"
#include "common/wire/data_type.h"

namespace ephemeralml::decompose {

struct InspectedDimension {
  int64_t size = -1;   ///< -1: any
  std::string symbol;  ///< equal symbols are equal sizes; may be empty
};

struct InspectedValue {
  std::string name;
  wire::ElementType type = wire::ElementType::kUndefined;
  bool has_shape = false;
  std::vector<InspectedDimension> shape;
};

struct Inspection {
  std::map<std::string, int64_t> operator_sets;  ///< version by domain; "" is ai.onnx
  std::map<std::string, size_t> operators;       ///< how many nodes; subgraphs included
  std::vector<InspectedValue> inputs;
  std::vector<InspectedValue> outputs;
  size_t sealed_weights = 0;
  uint64_t sealed_weight_bytes = 0;
  size_t inline_constants = 0;
  wire::BlobId blob_id = {};
  uint64_t chunks = 0;
  uint32_t chunk_bytes = 0;
};

/// Reads a serialized wire::Topology. Errors: kMalformed `topology_malformed`.
Result<Inspection> Inspect(const SecretBytes& topology_message);

}  // namespace ephemeralml::decompose
