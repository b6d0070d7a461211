#pragma once
// The version of the topology key's content, common/wire/topology.proto: a change of what its
// numbers mean, or of how packed weights lie in the blob, is a new one.

#include <cstdint>

namespace ephemeralml::wire {

inline constexpr uint32_t kTopologyFormatVersion = 2;

}  // namespace ephemeralml::wire
