#pragma once
// A topology key and a blob of any size, made without an ONNX file: what commands that handle both
// without looking into the model need.

#include <filesystem>

#include "client/keys/unlock.h"
#include "common/base/bytes.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::testing_support {

struct SealedModel {
  std::filesystem::path key;
  std::filesystem::path blob;
  std::string blob_id;
};

/// Writes `topology.key` and `ID.blob` into the folder; chunk i holds a pattern of its own.
SealedModel MakeSealedModel(const std::filesystem::path& folder, uint64_t chunks,
                            const keys::Unlock& unlock);

/// True if the key opens the blob, and chunk after chunk has the patterns of MakeSealedModel.
bool HoldsThePatterns(const std::filesystem::path& key, const std::filesystem::path& blob,
                      const keys::Unlock& unlock);

}  // namespace ephemeralml::testing_support
