#pragma once
// Seals a model's blob and key anew under a new id and secret, without its ONNX file. Interrupted
// at any moment, it goes on where it was: it only ever repeats bytes that it wrote before, so no
// nonce seals two different inputs under one key. Files: docs/formats/topology_key.md.

#include <filesystem>
#include <functional>

#include "client/keys/unlock.h"
#include "common/base/secret_bytes.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::keys {

/// Gives a sealed blob's next bytes; 0 at its end.
using BlobSource = std::function<Result<size_t>(MutableByteSpan)>;
/// Opens the old blob, which has `blob_bytes` in all, at `first_byte`.
using OpenBlobFn = std::function<Result<BlobSource>(const wire::BlobId& id, uint64_t first_byte,
                                                    uint64_t blob_bytes)>;
/// Stores the new blob, which lies complete in a file. Called again when a rotation is resumed.
using StoreBlobFn = std::function<Done(const wire::BlobId& id, const std::filesystem::path& blob)>;
/// Hears how many bytes of how many are sealed.
using RotationProgressFn = std::function<void(uint64_t done, uint64_t all)>;

struct RotationOrder {
  std::filesystem::path folder;  ///< gets `topology.key` and `ID.blob`
  const SecretBytes& topology;   ///< the old key's content
  const Unlock& unlock;          ///< of the new key
  OpenBlobFn open_blob;
  StoreBlobFn store_blob = {};       ///< may be empty
  RotationProgressFn progress = {};  ///< may be empty
};

struct RotationReport {
  wire::BlobId old_id = {};
  wire::BlobId new_id = {};
  std::filesystem::path key = {};
  std::filesystem::path blob = {};
  uint64_t chunks = 0;
  uint64_t chunks_found = 0;  ///< that an interrupted run had sealed already
};

/// The folder gets the new key only when the new blob is complete, durable and stored; what is
/// unfinished has names that end in `.rotating`. Old key and old blob stay as they are.
/// Memory: one chunk, whatever the blob's size. Threads: one; a second process in the same folder
/// is refused. Errors: kInvalidArgument `topology_key_exists` (the folder has a finished key),
/// `rotation_mismatch` (it has another key's unfinished rotation); kBusy `rotation_running`;
/// kUnauthentic `weights_unauthentic`, `blob_incomplete` (the old blob isn't what was sealed);
/// kMalformed `topology_malformed`, `blob_malformed`; those of Load and Save, of files, and of the
/// order's functions.
Result<RotationReport> Rotate(const RotationOrder& order);

}  // namespace ephemeralml::keys
