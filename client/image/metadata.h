#pragma once
// The metadata section: JSON that Nitro's own tools print, with what this project adds under
// CustomMetadata. Nothing of it is measured: it informs, and proves nothing. ReadMetadata's input
// is hostile.

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace ephemeralml::image {

/// A package of the system that the image was compiled and packed on.
struct Package {
  std::string name;
  std::string version;

  bool operator==(const Package&) const = default;
};

struct Metadata {
  std::string name;
  std::string version;
  std::string kernel_version;
  std::vector<Package> packages;
};

/// The fields that Nitro's tools want, in their spelling, with no time of building: the image
/// doesn't know when it was made. Source: aws-nitro-enclaves-image-format, src/defs/mod.rs,
/// EifIdentityInfo.
std::string ToJson(const Metadata& metadata);

/// Reads what ToJson writes; of images that others made, what they say of it. Errors: kMalformed
/// `image_metadata_malformed`.
Result<Metadata> ReadMetadata(std::string_view json);

/// Reads lines of NAME VERSION, sorts them. Errors: kMalformed `package_list_malformed`.
Result<std::vector<Package>> ParsePackages(std::string_view text);

}  // namespace ephemeralml::image
