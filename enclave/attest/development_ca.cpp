#include "enclave/attest/development_ca.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "common/base/file.h"

namespace ephemeralml::attest {
namespace {

using Path = std::filesystem::path;
using std::chrono::days;

constexpr size_t kLargestFileBytes = 16 * 1024;
constexpr int kLifetimeDays = 3650;

Error Malformed(const Path& path) {
  return {Code::kMalformed, "development_ca_malformed",
          path.string() +
              " doesn't hold the development CA's key and certificate; remove it to have a new CA "
              "made, and give clients the new root.pem"};
}

Result<SecretBytes> MakeCa(cose::Seconds now) {
  const cose::Es384Key key = cose::Es384Key::Generate();
  const Bytes root = cose::IssueRoot({.common_name = "EphemeralML development CA",
                                      .not_before = now - days(1),
                                      .not_after = now + days(kLifetimeDays),
                                      .is_ca = true,
                                      .path_length = {},
                                      .key_usage = "digitalSignature,keyCertSign,cRLSign"},
                                     key);
  const SecretBytes key_pem = key.ToPem();
  const std::string root_pem = cose::CertificateToPem(root);
  SecretBytes both(key_pem.size() + root_pem.size());
  const auto rest = std::ranges::copy(key_pem.Reveal(), both.Fill().begin()).out;
  std::ranges::copy(root_pem, rest);
  return both;
}

// Made whole under another name and linked into place: a CA that is there already, or that another
// process makes at the same moment, stays.
Done CreateOnce(const Path& path, cose::Seconds now) {
  TRY(const SecretBytes contents, MakeCa(now));
  const Path temporary = path.string() + "." + std::to_string(getpid());
  TRY_OK(WriteFileAtomically(temporary, contents.Reveal(), 0600));
  const int linked = link(temporary.c_str(), path.c_str());
  const int error = errno;
  (void)unlink(temporary.c_str());
  if (linked != 0 && error != EEXIST) {
    errno = error;
    return ErrnoError("file_unwritable", "can't create " + path.string());
  }
  return SyncFolder(path.parent_path());
}

Done RequirePrivate(const Path& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) {
    return ErrnoError("file_unreadable", "can't stat " + path.string());
  }
  if ((status.st_mode & 077U) != 0) {
    return Error{Code::kUntrusted, "development_ca_exposed",
                 path.string() + " can be read by others; its mode must be 0600"};
  }
  return {};
}

Result<cose::Issuer> ReadCa(const Path& path) {
  TRY_OK(RequirePrivate(path));
  TRY(const SecretBytes contents, ReadSecretFile(path, kLargestFileBytes));
  const Result<cose::Es384Key> key = cose::Es384Key::FromPem(contents);
  const Result<Bytes> root = cose::CertificateFromPem(contents.Reveal());
  if (!key || !root) return Malformed(path);
  return cose::Issuer{*key, *root};
}

Done ExportRoot(const Path& path, ByteSpan root) {
  const std::string pem = cose::CertificateToPem(root);
  const Result<Bytes> present = ReadFile(path, kLargestFileBytes);
  if (present && AsText(*present) == pem) return {};
  return WriteFileAtomically(path, AsBytes(pem), 0644);
}

}  // namespace

Result<cose::Issuer> OpenDevelopmentCa(const Path& folder, cose::Seconds now) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Error{Code::kIo, "file_unwritable",
                 "can't make the state folder " + folder.string() + ": " + error.message()};
  }
  const Path path = folder / kDevelopmentCaFile;
  if (!std::filesystem::exists(path, error)) {
    TRY_OK(CreateOnce(path, now));
  }
  TRY(cose::Issuer ca, ReadCa(path));
  TRY_OK(ExportRoot(folder / kRootFile, ca.certificate));
  return ca;
}

}  // namespace ephemeralml::attest
