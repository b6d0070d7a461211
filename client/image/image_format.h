#pragma once
// Numbers of the Enclave Image File format, version 4; docs/formats/enclave_image.md draws it.
// Source: aws-nitro-enclaves-image-format, README.md, "Enclave Image File (EIF) Specification".

#include <array>
#include <cstddef>
#include <cstdint>

namespace ephemeralml::image {

inline constexpr std::array<uint8_t, 4> kMagic = {'.', 'e', 'i', 'f'};
inline constexpr uint16_t kVersion = 4;
/// The oldest version that Nitro loads; 4 brought the metadata, 3 the signature.
inline constexpr uint16_t kOldestVersion = 2;
inline constexpr uint16_t kMetadataVersion = 4;
inline constexpr uint16_t kArm64Flag = 1;

inline constexpr size_t kMostSections = 32;
inline constexpr size_t kHeaderBytes = 548;
inline constexpr size_t kChecksumBytes = 4;
inline constexpr size_t kSectionHeaderBytes = 12;

/// What Nitro's own tool writes; nothing reads them.
inline constexpr uint64_t kDefaultMemoryBytes = uint64_t{1} << 30;
inline constexpr uint64_t kDefaultProcessors = 2;

enum class SectionType : uint16_t {
  kKernel = 1,
  kCommandLine = 2,
  kRamdisk = 3,
  kSignature = 4,
  kMetadata = 5,
};

}  // namespace ephemeralml::image
