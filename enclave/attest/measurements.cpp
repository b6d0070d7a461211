#include "enclave/attest/measurements.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "common/base/file.h"
#include "common/crypto/sha384.h"

namespace ephemeralml::attest {
namespace {

using crypto::Sha384;
using Path = std::filesystem::path;

constexpr size_t kPieceBytes = 256 * 1024;
constexpr uint8_t kPcrCount = 16;

int CollectLibrary(dl_phdr_info* object, size_t /*size*/, void* paths) {
  // The program has an empty name here, and the kernel's vDSO one without a folder.
  const std::string_view name = object->dlpi_name;
  if (name.find('/') != name.npos) static_cast<std::vector<Path>*>(paths)->emplace_back(name);
  return 0;
}

std::vector<Path> LoadedLibraries() {
  std::vector<Path> paths;
  (void)dl_iterate_phdr(&CollectLibrary, &paths);
  std::ranges::sort(paths, {}, [](const Path& path) { return std::tuple(path.filename(), path); });
  return paths;
}

Error Unreadable(const Path& path) {
  return ErrnoError("platform_unavailable", "can't measure " + path.string());
}

Done MeasureFile(const Path& path, Sha384& all, Sha384& part) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!fd.IsOpen() || fstat(fd.Get(), &status) != 0) return Unreadable(path);
  Bytes piece;
  AppendU64BigEndian(piece, static_cast<uint64_t>(status.st_size));
  for (ssize_t count = static_cast<ssize_t>(piece.size()); count != 0;) {
    all.Update(ByteSpan(piece).first(static_cast<size_t>(count)));
    part.Update(ByteSpan(piece).first(static_cast<size_t>(count)));
    piece.resize(kPieceBytes);
    do {
      count = read(fd.Get(), piece.data(), piece.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) return Unreadable(path);
  }
  return {};
}

cose::Pcr Extend(Sha384& content) {
  const crypto::Sha384Digest digest = content.Finish();
  Bytes extended(cose::Pcr::kSize);
  AppendBytes(extended, digest);
  const crypto::Sha384Digest value = Sha384::Of(extended);
  cose::Pcr pcr;
  std::ranges::copy(value, pcr.begin());
  return pcr;
}

}  // namespace

Result<cose::PcrBank> MeasureOwnProgram() {
  Sha384 all;
  Sha384 program;
  Sha384 libraries;
  TRY_OK(MeasureFile("/proc/self/exe", all, program));
  for (const Path& path : LoadedLibraries()) {
    TRY_OK(MeasureFile(path, all, libraries));
  }
  cose::PcrBank pcrs;
  for (uint8_t index = 0; index < kPcrCount; ++index) pcrs[index] = {};
  pcrs[0] = Extend(all);
  pcrs[1] = Extend(program);
  pcrs[2] = Extend(libraries);
  return pcrs;
}

}  // namespace ephemeralml::attest
