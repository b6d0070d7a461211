#pragma once
// Reads a topology's table of weights: which value is which piece of the blob's plaintext, or a
// small constant inside the table itself. The topology is hostile: it comes from the client's side
// of the channel. Field by field: common/wire/topology.proto.

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "enclave/weights/panel_stream.h"

namespace ephemeralml::wire {
class Topology;
}

namespace ephemeralml::weights {

/// A constant that is no secret weight: its bytes lie in the topology.
struct InlineConstant {
  wire::ElementType type = wire::ElementType::kUndefined;
  std::vector<int64_t> shape;
  Bytes bytes;
};

/// Value ids and what they are, by id. Addresses of entries stay as they are when the table is
/// moved.
using WeightTable = std::vector<std::pair<uint32_t, std::variant<WeightInfo, InlineConstant>>>;

/// Checks every entry against its own shape and the blob's length. Empty tensors become constants.
/// Errors: kMalformed `topology_malformed`.
Result<WeightTable> ReadWeights(const wire::Topology& topology);

}  // namespace ephemeralml::weights
