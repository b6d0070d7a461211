#pragma once
// Weight blobs in a folder: each is one immutable file, there whole or not at all. To the store a
// blob is a run of bytes with a name. Everything here blocks on the disk; the caller keeps it off
// the threads that serve the network. Layout of the folder: docs/host.md.

#include <filesystem>
#include <memory>
#include <mutex>

#include "common/base/file.h"
#include "host/store/blob_id.h"

namespace ephemeralml::store {

class BlobReader;
class BlobWriter;

struct StoreLimits {
  uint64_t blob_bytes = uint64_t{16} << 30;
  /// Free bytes that uploads leave to the file system.
  uint64_t disk_kept_bytes = uint64_t{1} << 30;
};

/// Threads: any, at once. Readers and writers must not outlive their store.
class BlobStore {
 public:
  /// Opens the folder, making it where it is missing, and removes what interrupted uploads left.
  /// One process at a time holds a folder.
  /// Errors: kBusy `store_in_use`, kIo `store_unusable`.
  static Result<std::unique_ptr<BlobStore>> Open(const std::filesystem::path& folder,
                                                 StoreLimits limits);
  BlobStore(const BlobStore&) = delete;
  BlobStore& operator=(const BlobStore&) = delete;

  /// Begins a blob of exactly `size_bytes`. Nobody sees it before it is committed.
  /// Errors: kOverLimit `blob_too_large`, `disk_full`; kInvalidArgument `blob_conflict` (a blob of
  /// another size has this id); kIo `blob_unwritable`.
  Result<std::unique_ptr<BlobWriter>> Write(const BlobId& id, uint64_t size_bytes);

  /// Errors: kNotFound `blob_not_found`, kIo `blob_unreadable`.
  Result<std::unique_ptr<BlobReader>> Read(const BlobId& id) const;

  /// Removes a blob; whoever is reading it reads on.
  /// Errors: kNotFound `blob_not_found`, kIo `blob_unwritable`.
  Done Remove(const BlobId& id);

 private:
  friend class BlobWriter;
  BlobStore(std::filesystem::path folder, UniqueFd lock, StoreLimits limits);
  std::filesystem::path BlobPath(const BlobId& id) const { return blobs_ / id.text(); }
  Done Reserve(uint64_t size_bytes);
  void Unreserve(uint64_t size_bytes);

  const std::filesystem::path blobs_;
  const std::filesystem::path incoming_;
  const UniqueFd lock_;
  const StoreLimits limits_;
  std::mutex mutex_;
  uint64_t reserved_bytes_ = 0;  // promised to uploads and not on the disk yet
  uint64_t next_upload_ = 0;
};

/// One upload. Destroyed before it is committed, it leaves nothing. Threads: one at a time.
class BlobWriter {
 public:
  enum class Stored { kNew, kAlreadyThere };

  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  /// Adds the next bytes; never more in all than the size announced.
  /// Errors: kOverLimit `disk_full`, kIo `blob_unwritable`.
  Done Append(ByteSpan bytes);

  /// Publishes the blob, once every byte was appended: when this returns, it survives a power cut.
  /// A blob with this id and the same content is success; with other content it stays as it is.
  /// Errors: kInvalidArgument `blob_conflict`, kIo `blob_unwritable`, `blob_unreadable`.
  Result<Stored> Commit();

 private:
  friend class BlobStore;
  BlobWriter(BlobStore& store, const BlobId& id, uint64_t size_bytes, UniqueFd file,
             std::filesystem::path path);
  Result<bool> Publish();
  Result<bool> EqualsPublished() const;

  BlobStore& store_;
  const BlobId id_;
  const uint64_t size_bytes_;
  const UniqueFd file_;
  const std::filesystem::path path_;
  uint64_t written_bytes_ = 0;
  bool is_published_ = false;
};

/// One blob, open for reading: it stays whole even if it is removed meanwhile. Threads: any.
class BlobReader {
 public:
  uint64_t size_bytes() const { return size_bytes_; }

  /// Fills `out` from `offset`; never beyond the blob's end. Errors: kIo `blob_unreadable`.
  Done ReadAt(uint64_t offset, MutableByteSpan out) const;

 private:
  friend class BlobStore;
  friend class BlobWriter;
  BlobReader(UniqueFd file, uint64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}

  const UniqueFd file_;
  const uint64_t size_bytes_;
};

}  // namespace ephemeralml::store
