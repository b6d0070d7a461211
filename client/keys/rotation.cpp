#include "client/keys/rotation.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "client/keys/blob_key.h"
#include "client/keys/seal_again.h"
#include "client/keys/topology_key.h"
#include "common/base/file.h"
#include "common/crypto/random.h"
#include "common/crypto/sha384.h"

namespace ephemeralml::keys {
namespace {

namespace fs = std::filesystem;

constexpr size_t kModelSecretBytes = 32;
constexpr mode_t kUnfinishedMode = 0600;
constexpr mode_t kBlobMode = 0644;

// What `topology.key.rotating` holds: which key is rotated, as its content's digest, and into what.
struct State {
  crypto::Sha384Digest from = {};
  SecretBytes topology;

  SecretBytes Encode() const {
    SecretBytes message(from.size() + topology.size());
    const MutableByteSpan out = message.Fill();
    std::ranges::copy(from, out.begin());
    std::ranges::copy(topology.Reveal(), out.subspan(from.size()).begin());
    return message;
  }
  static Result<State> Decode(const SecretBytes& message) {
    ByteReader reader(message.Reveal());
    State state;
    TRY(const ByteSpan from, reader.ReadBytes(state.from.size()));
    TRY(const ByteSpan topology, reader.ReadBytes(reader.remaining()));
    std::ranges::copy(from, state.from.begin());
    state.topology = SecretBytes::CopyOf(topology);
    return state;
  }
};

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<std::unique_ptr<crypto::BlobCipher>> CipherOf(const BlobKey& blob) {
  return crypto::BlobCipher::Create(blob.secret, blob.id, blob.chunk_count, blob.chunk_bytes);
}

class Rotation {
 public:
  explicit Rotation(const RotationOrder& order)
      : order_(order),
        key_(order.folder / "topology.key"),
        state_(order.folder / "topology.key.rotating") {}

  Result<RotationReport> Run() {
    TRY_OK(LockFolder());
    TRY(const BlobKey from, ReadBlobKey(order_.topology));
    TRY(const State state, FindOrMakeState(from));
    TRY(const BlobKey to, ReadBlobKey(state.topology));
    blob_ = order_.folder / (ToHex(to.id) + ".blob");
    unfinished_ = order_.folder / (ToHex(to.id) + ".blob.rotating");
    RotationReport report{
        .old_id = from.id, .new_id = to.id, .key = key_, .blob = blob_, .chunks = to.chunk_count};
    TRY(report.chunks_found, SealBlob(from, to));
    if (order_.store_blob) TRY_OK(order_.store_blob(to.id, blob_));
    RemoveLeftovers();
    TRY_OK(Save(key_, state.topology, order_.unlock));
    TRY_OK(RemoveState());
    return report;
  }

 private:
  // Held until the descriptor is closed, by the process's end too.
  Done LockFolder() {
    std::error_code error;
    fs::create_directories(order_.folder, error);
    folder_ = UniqueFd(open(order_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_.IsOpen()) {
      return ErrnoError("file_unwritable", "can't use folder " + order_.folder.string());
    }
    if (flock(folder_.Get(), LOCK_EX | LOCK_NB) != 0) {
      return Error{Code::kBusy, "rotation_running",
                   "another process rotates a key in " + order_.folder.string()};
    }
    return {};
  }

  Result<State> FindOrMakeState(const BlobKey& from) {
    const auto digest = crypto::Sha384::Of(order_.topology.Reveal());
    if (Exists(state_)) return FindState(digest);
    if (Exists(key_)) return KeyExists();
    State state;
    state.from = digest;
    BlobKey to{.secret = crypto::RandomSecret(kModelSecretBytes),
               .chunk_count = from.chunk_count,
               .chunk_bytes = from.chunk_bytes};
    crypto::FillRandom(to.id);
    // Refuses a key that names an impossible blob before anything is drawn for it.
    TRY_OK(CipherOf(from));
    TRY(state.topology, ReplaceBlobKey(order_.topology, to));
    // Durable before the first chunk: whatever happens, id and secret are known or were never used.
    TRY_OK(Save(state_, state.Encode(), order_.unlock, SealedKind::kRotation));
    return state;
  }

  Result<State> FindState(const crypto::Sha384Digest& from) {
    TRY(const SecretBytes message, Load(state_, order_.unlock, SealedKind::kRotation));
    TRY(State state, State::Decode(message));
    if (state.from != from) {
      return Error{
          Code::kInvalidArgument, "rotation_mismatch",
          order_.folder.string() +
              " holds the unfinished rotation of another topology key; finish that one, or "
              "choose another folder"};
    }
    if (!Exists(key_)) return state;
    const auto finished = Load(key_, order_.unlock);
    if (!finished || !std::ranges::equal(finished->Reveal(), state.topology.Reveal())) {
      return KeyExists();
    }
    return state;
  }

  Error KeyExists() const {
    return {
        Code::kInvalidArgument, "topology_key_exists",
        key_.string() + " exists; it may be the only way to open a blob. Choose another folder"};
  }

  // Gives the number of chunks that were there already.
  Result<uint64_t> SealBlob(const BlobKey& from, const BlobKey& to) {
    TRY(const auto old_cipher, CipherOf(from));
    TRY(const auto new_cipher, CipherOf(to));
    TRY(const bool is_finished, FindFinishedBlob(*new_cipher));
    if (is_finished) return to.chunk_count;
    const UniqueFd fd(open(unfinished_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kUnfinishedMode));
    if (!fd.IsOpen()) return ErrnoError("file_unwritable", "can't open " + unfinished_.string());
    TRY(const uint64_t found, CountSealedChunks(fd.Get(), *new_cipher));
    const uint64_t sealed_bytes = new_cipher->sealed_chunk_bytes();
    const auto end = static_cast<off_t>(found * sealed_bytes);
    if (ftruncate(fd.Get(), end) != 0 || lseek(fd.Get(), end, SEEK_SET) != end) {
      return ErrnoError("file_unwritable", "can't write " + unfinished_.string());
    }
    if (found < to.chunk_count) {
      TRY(const BlobSource source,
          order_.open_blob(from.id, found * sealed_bytes, to.chunk_count * sealed_bytes));
      TRY_OK(SealAgain(*old_cipher, *new_cipher, found, source, fd.Get(), order_.progress));
    }
    if (fchmod(fd.Get(), kBlobMode) != 0 || fsync(fd.Get()) != 0 ||
        rename(unfinished_.c_str(), blob_.c_str()) != 0) {
      return ErrnoError("file_unwritable", "can't write " + blob_.string());
    }
    TRY_OK(SyncFolder(order_.folder));
    return found;
  }

  // A blob that has its name is looked through once more: a broken disk may have lost its content.
  Result<bool> FindFinishedBlob(const crypto::BlobCipher& cipher) {
    const UniqueFd fd(open(blob_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.IsOpen() && errno == ENOENT) return false;
    if (!fd.IsOpen()) return ErrnoError("file_unreadable", "can't open " + blob_.string());
    struct stat status = {};
    TRY(const uint64_t found, CountSealedChunks(fd.Get(), cipher));
    if (found == cipher.chunk_count() && fstat(fd.Get(), &status) == 0 &&
        static_cast<uint64_t>(status.st_size) == found * cipher.sealed_chunk_bytes()) {
      return true;
    }
    if (rename(blob_.c_str(), unfinished_.c_str()) != 0) {
      return ErrnoError("file_unwritable", "can't rename " + blob_.string());
    }
    return false;
  }

  // Runs that were killed while they wrote a key, or a state, left it under a name of its own.
  // While the folder is locked nobody else writes one.
  void RemoveLeftovers() const {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(order_.folder, ignored)) {
      if (!entry.path().filename().string().starts_with(".topology.key.")) continue;
      fs::remove(entry.path(), ignored);
    }
  }

  Done RemoveState() {
    if (unlink(state_.c_str()) != 0) {
      return ErrnoError("file_unwritable", "can't remove " + state_.string());
    }
    return SyncFolder(order_.folder);
  }

  const RotationOrder& order_;
  fs::path key_;
  fs::path state_;
  fs::path blob_;
  fs::path unfinished_;
  UniqueFd folder_;
};

}  // namespace

Result<RotationReport> Rotate(const RotationOrder& order) { return Rotation(order).Run(); }

}  // namespace ephemeralml::keys
