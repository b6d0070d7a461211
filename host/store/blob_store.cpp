#include "host/store/blob_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <string>
#include <system_error>

namespace ephemeralml::store {
namespace {

namespace fs = std::filesystem;

Error Unusable(const fs::path& path) {
  return ErrnoError("store_unusable", "can't use " + path.string());
}

Done MakeFolder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  const fs::path parent = fs::absolute(folder, error).parent_path();
  if (parent != folder) TRY_OK(MakeFolder(parent));
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return Unusable(folder);
  // A new folder's own name is an entry of its parent.
  const Done synced = SyncFolder(parent);
  if (!synced) return Error{Code::kIo, "store_unusable", synced.error().what};
  return {};
}

Result<UniqueFd> LockFolder(const fs::path& folder) {
  const fs::path path = folder / "lock";
  UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock.IsOpen()) return Unusable(path);
  if (flock(lock.Get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return Unusable(path);
  return Error{Code::kBusy, "store_in_use",
               "another process serves " + folder.string() + "; stop it or choose another folder"};
}

Done RemoveLeftovers(const fs::path& incoming) {
  std::error_code error;
  for (auto entry = fs::directory_iterator(incoming, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    fs::remove(entry->path(), error);
    if (error) break;
  }
  if (error) {
    return Error{Code::kIo, "store_unusable",
                 "can't clean " + incoming.string() + ": " + error.message()};
  }
  return {};
}

}  // namespace

BlobStore::BlobStore(fs::path folder, UniqueFd lock, StoreLimits limits)
    : blobs_(folder / "blobs"),
      incoming_(folder / "incoming"),
      lock_(std::move(lock)),
      limits_(limits) {}

Result<std::unique_ptr<BlobStore>> BlobStore::Open(const fs::path& folder, StoreLimits limits) {
  TRY_OK(MakeFolder(folder));
  TRY(UniqueFd lock, LockFolder(folder));
  std::unique_ptr<BlobStore> store(new BlobStore(folder, std::move(lock), limits));
  TRY_OK(MakeFolder(store->blobs_));
  TRY_OK(MakeFolder(store->incoming_));
  TRY_OK(RemoveLeftovers(store->incoming_));
  return store;
}

// Uploads under way count with all that they may still write, so that together they can't fill what
// each of them alone would leave free.
Done BlobStore::Reserve(uint64_t size_bytes) {
  struct statvfs status = {};
  if (statvfs(incoming_.c_str(), &status) != 0) {
    return ErrnoError("blob_unwritable", "can't ask for free space in " + incoming_.string());
  }
  const uint64_t free_bytes = uint64_t{status.f_bavail} * status.f_frsize;
  const uint64_t usable_bytes = free_bytes - std::min(free_bytes, limits_.disk_kept_bytes);
  const std::lock_guard lock(mutex_);
  if (usable_bytes < reserved_bytes_ || usable_bytes - reserved_bytes_ < size_bytes) {
    return Error{Code::kOverLimit, "disk_full",
                 "the upload would leave less free space than the store must keep"};
  }
  reserved_bytes_ += size_bytes;
  return {};
}

void BlobStore::Unreserve(uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  reserved_bytes_ -= size_bytes;
}

Result<std::unique_ptr<BlobWriter>> BlobStore::Write(const BlobId& id, uint64_t size_bytes) {
  if (size_bytes > limits_.blob_bytes) {
    return Error{Code::kOverLimit, "blob_too_large",
                 "the blob has " + std::to_string(size_bytes) + " bytes; at most " +
                     std::to_string(limits_.blob_bytes) + " are accepted"};
  }
  struct stat status = {};
  if (stat(BlobPath(id).c_str(), &status) == 0 &&
      static_cast<uint64_t>(status.st_size) != size_bytes) {
    return Error{Code::kInvalidArgument, "blob_conflict", "another blob has this id"};
  }
  TRY_OK(Reserve(size_bytes));
  uint64_t upload = 0;
  {
    const std::lock_guard lock(mutex_);
    upload = next_upload_++;
  }
  fs::path path = incoming_ / std::to_string(upload);
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.IsOpen()) {
    const Error error = ErrnoError("blob_unwritable", "can't create " + path.string());
    Unreserve(size_bytes);
    return error;
  }
  return std::unique_ptr<BlobWriter>(
      new BlobWriter(*this, id, size_bytes, std::move(file), std::move(path)));
}

Result<std::unique_ptr<BlobReader>> BlobStore::Read(const BlobId& id) const {
  const fs::path path = BlobPath(id);
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!file.IsOpen() || fstat(file.Get(), &status) != 0) {
    if (errno == ENOENT) return Error{Code::kNotFound, "blob_not_found", "no blob has this id"};
    return ErrnoError("blob_unreadable", "can't open " + path.string());
  }
  return std::unique_ptr<BlobReader>(
      new BlobReader(std::move(file), static_cast<uint64_t>(status.st_size)));
}

Done BlobStore::Remove(const BlobId& id) {
  if (unlink(BlobPath(id).c_str()) != 0) {
    if (errno == ENOENT) return Error{Code::kNotFound, "blob_not_found", "no blob has this id"};
    return ErrnoError("blob_unwritable", "can't remove " + BlobPath(id).string());
  }
  const Done synced = SyncFolder(blobs_);
  if (!synced) return Error{Code::kIo, "blob_unwritable", synced.error().what};
  return {};
}

Done BlobReader::ReadAt(uint64_t offset, MutableByteSpan out) const {
  CHECK(offset <= size_bytes_ && out.size() <= size_bytes_ - offset);
  while (!out.empty()) {
    const ssize_t count = pread(file_.Get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError("blob_unreadable", "can't read a blob");
    if (count == 0) return Error{Code::kIo, "blob_unreadable", "a blob's file was cut short"};
    offset += static_cast<uint64_t>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace ephemeralml::store
