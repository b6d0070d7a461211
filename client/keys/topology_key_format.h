#pragma once
// Constants of the topology key's file, described in docs/formats/topology_key.md.

#include <array>
#include <cstddef>
#include <cstdint>

namespace ephemeralml::keys {

inline constexpr std::array<uint8_t, 8> kTopologyKeyMagic = {'E', 'M', 'L', 'T', 'O', 'P', 'O', 0};
/// Of a rotation under way, which is sealed in the same way: neither is ever taken for the other.
inline constexpr std::array<uint8_t, 8> kRotationMagic = {'E', 'M', 'L', 'R', 'O', 'T', 'A', 0};
inline constexpr uint8_t kTopologyKeyVersion = 1;
inline constexpr uint8_t kUnlockedByPassphrase = 1;
inline constexpr uint8_t kUnlockedByKeyFile = 2;
inline constexpr size_t kSaltBytes = 32;
inline constexpr size_t kTopologyKeyHeaderBytes = 60;
inline constexpr size_t kLargestTopologyBytes = size_t{256} << 20;

// What a file may ask of whoever opens it: at most 1 GiB for at most 4 rounds.
inline constexpr uint8_t kLeastLog2N = 10;
inline constexpr uint8_t kMostLog2N = 20;
inline constexpr uint8_t kScryptR = 8;
inline constexpr uint8_t kMostP = 4;

}  // namespace ephemeralml::keys
