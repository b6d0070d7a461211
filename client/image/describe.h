#pragma once
// What an image is, for a person or a program. Its input is hostile: anyone's file.

#include <optional>
#include <string>
#include <vector>

#include "client/image/measure.h"
#include "client/image/metadata.h"
#include "client/image/signature.h"

namespace ephemeralml::image {

struct Description {
  uint16_t version = 0;
  bool is_arm64 = false;
  struct Part {
    std::string_view type;
    size_t bytes = 0;
    std::string digest;  ///< SHA-384, in hexadecimal
  };
  std::vector<Part> parts;
  std::string command_line;
  cose::PcrBank pcrs;
  std::optional<Metadata> metadata;  ///< absent: there is none that can be read
  /// Absent: the image isn't signed. An error: Nitro would refuse to start it.
  std::optional<Result<SignatureReport>> signature;
};

/// Errors: as ReadImage; as MeasureCertificate.
Result<Description> Describe(ByteSpan file);

std::string ToText(const Description& description);
std::string ToJson(const Description& description);

/// A policy that accepts this image alone, as client/verify reads it. The set's name is the image's
/// own name and version, or `fallback_name` if it has none that a policy takes.
std::string ToPolicy(const Description& description, std::string_view fallback_name);

}  // namespace ephemeralml::image
