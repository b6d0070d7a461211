#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/keys/blob_key.h"
#include "client/keys/rotation.h"
#include "client/keys/topology_key.h"
#include "client/session/blob_download.h"

namespace ephemeralml::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string key;
  std::string out;
  std::string blob;
  bool upload = false;
  UnlockOptions unlock;
  NewUnlockOptions new_unlock;
  StoreOptions store;
};

Result<keys::BlobSource> OpenFile(const fs::path& path, uint64_t first_byte, uint64_t blob_bytes) {
  auto fd = std::make_shared<UniqueFd>(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!fd->IsOpen() || fstat(fd->Get(), &status) != 0 ||
      lseek(fd->Get(), static_cast<off_t>(first_byte), SEEK_SET) < 0) {
    return ErrnoError("file_unreadable", "can't read " + path.string());
  }
  if (static_cast<uint64_t>(status.st_size) != blob_bytes) {
    return Error{Code::kUnauthentic, "blob_incomplete",
                 path.string() + " has " + std::to_string(status.st_size) +
                     " bytes; by the topology key its blob has " + std::to_string(blob_bytes)};
  }
  return keys::BlobSource([fd, path](MutableByteSpan out) -> Result<size_t> {
    ssize_t count = 0;
    do {
      count = read(fd->Get(), out.data(), out.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) return ErrnoError("file_unreadable", "can't read " + path.string());
    return static_cast<size_t>(count);
  });
}

Result<keys::BlobSource> OpenAtHost(const session::BlobStoreAccess& access, const std::string& id,
                                    uint64_t first_byte, uint64_t blob_bytes) {
  TRY(auto opened, session::BlobDownload::Open(access, id, first_byte, blob_bytes));
  auto download = std::make_shared<session::BlobDownload>(std::move(opened));
  return keys::BlobSource([download](MutableByteSpan out) { return download->Read(out); });
}

// The blob that was named; else the one that lies beside the key; else the host's.
keys::OpenBlobFn OldBlob(const Options& options, const session::BlobStoreAccess& access) {
  return [&options, access](const wire::BlobId& id, uint64_t first_byte,
                            uint64_t blob_bytes) -> Result<keys::BlobSource> {
    const std::string name = ToHex(id);
    const fs::path beside = fs::path(options.key).parent_path() / (name + ".blob");
    std::error_code ignored;
    if (options.blob.empty() && !fs::exists(beside, ignored)) {
      fmt::print("old blob:     {}, from {}\n", name, access.host.Authority());
      return OpenAtHost(access, name, first_byte, blob_bytes);
    }
    const fs::path file = options.blob.empty() ? beside : fs::path(options.blob);
    fmt::print("old blob:     {}\n", file.string());
    return OpenFile(file, first_byte, blob_bytes);
  };
}

keys::StoreBlobFn Upload(const session::BlobStoreAccess& access) {
  return [access](const wire::BlobId& id, const fs::path& blob) -> Done {
    ProgressLine progress("upload");
    TRY_OK(session::UploadBlob(access, ToHex(id), blob,
                               [&](uint64_t done, uint64_t total) { progress.Show(done, total); }));
    return {};
  };
}

// Opens the old key; what opens the new one is the same unless another was given.
Result<std::pair<SecretBytes, keys::Unlock>> OpenKey(const Options& options) {
  TRY(keys::Unlock before, options.unlock.Get(keys::Unlock::Prompt::kOnce));
  TRY(SecretBytes topology, keys::Load(options.key, before));
  if (!options.new_unlock.AreGiven()) return std::pair(std::move(topology), std::move(before));
  TRY(keys::Unlock after, options.new_unlock.Get());
  return std::pair(std::move(topology), std::move(after));
}

void Print(const Options& options, const keys::RotationReport& report,
           const session::BlobStoreAccess& access) {
  if (report.chunks_found > 0) {
    fmt::print("resumed:      {} of {} chunks were sealed already\n", report.chunks_found,
               report.chunks);
  }
  fmt::print("topology key: {} (keep it)\n", report.key.string());
  fmt::print("weight blob:  {} ({})\n", report.blob.string(),
             options.upload ? "stored at " + access.host.Authority() : "upload it");
  fmt::print(
      "{} and blob {} still work. When nobody uses them any more: `ephemeralml delete {}`, and "
      "remove the old key\n",
      options.key, ToHex(report.old_id), ToHex(report.old_id));
}

Result<keys::RotationReport> Seal(keys::RotationOrder order) {
  ProgressLine progress("seal anew");
  order.progress = [&](uint64_t done, uint64_t total) { progress.Show(done, total); };
  return keys::Rotate(order);
}

Done RotateKey(const Options& options) {
  TRY(const session::BlobStoreAccess access, options.store.Get());
  TRY(const auto opened, OpenKey(options));
  const keys::RotationOrder order{
      .folder = options.out,
      .topology = opened.first,
      .unlock = opened.second,
      .open_blob = OldBlob(options, access),
      .store_blob = options.upload ? Upload(access) : keys::StoreBlobFn(),
      .progress = {}};
  auto report = Seal(order);
  std::error_code ignored;
  if (!report && fs::exists(fs::path(options.out) / "topology.key.rotating", ignored)) {
    report.error().what += "; " + options.key +
                           " and its blob are as they were, and the same command "
                           "goes on with what is unfinished in " +
                           options.out;
  }
  if (!report) return report.error();
  Print(options, *report, access);
  return {};
}

}  // namespace

void AddKeyRotate(CLI::App& key, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = key.add_subcommand(
      "rotate",
      "Seal a model's blob and topology key anew, under a new id and a new secret, into another "
      "folder. KEY and its blob are left as they are. If it is interrupted, the same command goes "
      "on "
      "where it was");
  command->add_option("KEY", options->key, "The topology key to replace")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--out", options->out,
                   "Folder for the new topology.key and the new blob; the key appears last")
      ->required()
      ->type_name("FOLDER");
  command
      ->add_option("--blob", options->blob,
                   "The old blob's file; by default ID.blob beside KEY, or else the host's")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  command->add_flag("--upload", options->upload,
                    "Store the new blob on the host, before the new key appears");
  options->unlock.AddTo(*command);
  options->new_unlock.AddTo(*command);
  options->store.AddTo(*command);
  command->callback([options, &action] { action = [options] { return RotateKey(*options); }; });
}

}  // namespace ephemeralml::cli
