#pragma once
// Storing a sealed weight blob on the untrusted host, and removing it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "common/base/secret_bytes.h"
#include "common/net/address.h"

namespace ephemeralml::session {

/// Called with bytes sent and bytes in all.
using Progress = std::function<void(uint64_t, uint64_t)>;

struct BlobStoreAccess {
  net::Address host;
  std::filesystem::path token_file;  ///< the host's bearer token, as it wrote it
  int64_t timeout_ms = 0;            ///< for each piece sent and for the answer
};

enum class UploadOutcome { kStored, kAlreadyThere };

/// Streams the blob's file to the host; memory doesn't grow with its size.
/// Errors: kIo `blob_refused` and those of files and connections.
Result<UploadOutcome> UploadBlob(const BlobStoreAccess& access, const std::string& blob_id,
                                 const std::filesystem::path& blob, const Progress& progress);

/// Errors: as UploadBlob.
Done DeleteBlob(const BlobStoreAccess& access, const std::string& blob_id);

}  // namespace ephemeralml::session
