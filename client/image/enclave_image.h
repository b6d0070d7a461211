#pragma once
// Enclave image files, read and written. ReadImage's input is hostile: `describe` takes any file.

#include <string_view>
#include <vector>

#include "client/image/image_format.h"
#include "common/base/bytes.h"

namespace ephemeralml::image {

struct Section {
  SectionType type = SectionType::kKernel;
  ByteSpan data;  ///< into the file that was read, or what is to be written
};

struct EnclaveImage {
  uint16_t version = kVersion;
  bool is_arm64 = false;
  std::vector<Section> sections;  ///< in the file's order

  /// The data of the first section of a type; empty if there is none.
  ByteSpan Find(SectionType type) const;
  bool Has(SectionType type) const;
};

/// The type's name, as `describe` prints it.
std::string_view Name(SectionType type);

/// Reads an image of version 2 to 4 and checks its checksum. Sections must lie one after the other
/// from the header to the file's end: otherwise a reader of offsets and a reader of section headers
/// could find different programs in one file.
/// Errors: kUnsupported `image_version_unsupported`; kMalformed `image_malformed`,
/// `image_checksum_mismatch`, `input_truncated`.
Result<EnclaveImage> ReadImage(ByteSpan file);

/// Writes what ReadImage reads. The sections must be as the format wants them: it is a bug to give
/// others.
Bytes WriteImage(const EnclaveImage& image);

}  // namespace ephemeralml::image
