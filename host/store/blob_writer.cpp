#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "host/store/blob_store.h"

namespace ephemeralml::store {
namespace {

constexpr size_t kCompareBytes = 64 * 1024;

Error Unwritable(std::string_view what) {
  if (errno != ENOSPC && errno != EDQUOT) return ErrnoError("blob_unwritable", what);
  return {Code::kOverLimit, "disk_full", "the disk ran full during the upload"};
}

// Gives the file its final name unless the name is taken; returns 0 or errno.
int RenameIfFree(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // Some file systems can't rename without replacing; a second link is refused just as atomically.
  if (link(from.c_str(), to.c_str()) != 0) return errno;
  return unlink(from.c_str()) == 0 ? 0 : errno;
}

}  // namespace

BlobWriter::BlobWriter(BlobStore& store, const BlobId& id, uint64_t size_bytes, UniqueFd file,
                       std::filesystem::path path)
    : store_(store),
      id_(id),
      size_bytes_(size_bytes),
      file_(std::move(file)),
      path_(std::move(path)) {}

BlobWriter::~BlobWriter() {
  if (!is_published_) (void)unlink(path_.c_str());
  store_.Unreserve(size_bytes_ - written_bytes_);
}

Done BlobWriter::Append(ByteSpan bytes) {
  CHECK(bytes.size() <= size_bytes_ - written_bytes_);
  while (!bytes.empty()) {
    const ssize_t count = write(file_.Get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unwritable("can't write a blob");
    bytes = bytes.subspan(static_cast<size_t>(count));
    written_bytes_ += static_cast<uint64_t>(count);
    store_.Unreserve(static_cast<uint64_t>(count));
  }
  return {};
}

Result<BlobWriter::Stored> BlobWriter::Commit() {
  CHECK(written_bytes_ == size_bytes_ && !is_published_);
  if (fsync(file_.Get()) != 0) return Unwritable("can't sync a blob");
  Stored stored = Stored::kNew;
  while (true) {
    TRY(is_published_, Publish());
    if (is_published_) break;
    const Result<bool> equal = EqualsPublished();
    if (!equal && equal.error().code == Code::kNotFound) continue;  // removed since Publish
    if (!equal) return equal.error();
    if (!*equal) {
      return Error{Code::kInvalidArgument, "blob_conflict",
                   "a blob with other content has this id"};
    }
    stored = Stored::kAlreadyThere;
    break;
  }
  // Also if it was there already: whoever renamed it may not have synced yet.
  const Done synced = SyncFolder(store_.blobs_);
  if (!synced) return Error{Code::kIo, "blob_unwritable", synced.error().what};
  return stored;
}

// False if the id is taken.
Result<bool> BlobWriter::Publish() {
  const int error = RenameIfFree(path_, store_.BlobPath(id_));
  if (error == 0) return true;
  if (error == EEXIST) return false;
  errno = error;
  return Unwritable("can't rename a blob");
}

Result<bool> BlobWriter::EqualsPublished() const {
  TRY(const auto published, store_.Read(id_));
  if (published->size_bytes() != size_bytes_) return false;
  const BlobReader ours(UniqueFd(fcntl(file_.Get(), F_DUPFD_CLOEXEC, 0)), size_bytes_);
  Bytes left(kCompareBytes);
  Bytes right(kCompareBytes);
  for (uint64_t offset = 0; offset < size_bytes_;) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(kCompareBytes, size_bytes_ - offset));
    TRY_OK(ours.ReadAt(offset, MutableByteSpan(left).first(count)));
    TRY_OK(published->ReadAt(offset, MutableByteSpan(right).first(count)));
    if (!std::ranges::equal(ByteSpan(left).first(count), ByteSpan(right).first(count)))
      return false;
    offset += count;
  }
  return true;
}

}  // namespace ephemeralml::store
