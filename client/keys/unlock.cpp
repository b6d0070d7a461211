#include "client/keys/unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "client/keys/terminal.h"
#include "common/base/file.h"
#include "common/crypto/random.h"

namespace ephemeralml::keys {
namespace {

Error Invalid(std::string_view what) {
  return {Code::kInvalidArgument, "passphrase_invalid", std::string(what)};
}

}  // namespace

Result<Unlock> Unlock::FromPassphrase(SecretBytes passphrase) {
  if (passphrase.empty()) return Invalid("the passphrase is empty");
  if (passphrase.size() > kLongestPassphraseBytes) return Invalid("the passphrase is too long");
  return Unlock(Kind::kPassphrase, std::move(passphrase));
}

Result<Unlock> Unlock::FromPassphraseFile(const std::filesystem::path& path) {
  TRY(const SecretBytes contents, ReadSecretFile(path, kLongestPassphraseBytes + 2));
  ByteSpan line = contents.Reveal();
  if (!line.empty() && line.back() == '\n') line = line.first(line.size() - 1);
  if (!line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
  if (std::ranges::find(line, '\n') != line.end()) {
    return Invalid(path.string() + " holds several lines; a passphrase file holds one");
  }
  return FromPassphrase(SecretBytes::CopyOf(line));
}

Result<Unlock> Unlock::FromPrompt(Prompt prompt) {
  const UniqueFd terminal(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.IsOpen()) {
    return ErrnoError("terminal_unavailable",
                      "there is no terminal to ask for the passphrase; give a passphrase file or a "
                      "key file");
  }
  TRY(SecretBytes first,
      ReadSecretLine(terminal.Get(),
                     prompt == Prompt::kTwice ? "New passphrase for the topology key: "
                                              : "Passphrase of the topology key: ",
                     kLongestPassphraseBytes));
  if (prompt == Prompt::kTwice) {
    TRY(const SecretBytes second,
        ReadSecretLine(terminal.Get(), "The same again: ", kLongestPassphraseBytes));
    if (!std::ranges::equal(first.Reveal(), second.Reveal())) {
      return Invalid("the two passphrases differ");
    }
  }
  return FromPassphrase(std::move(first));
}

Result<Unlock> Unlock::FromKeyFile(const std::filesystem::path& path) {
  TRY(SecretBytes contents, ReadSecretFile(path, 1 << 20));
  if (contents.size() != kKeyFileBytes) {
    return Error{Code::kInvalidArgument, "key_file_invalid",
                 path.string() + " has " + std::to_string(contents.size()) +
                     " bytes; a key file has 32, random"};
  }
  return Unlock(Kind::kKeyFile, std::move(contents));
}

Done CreateKeyFile(const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.IsOpen() && errno == EEXIST) {
    return Error{Code::kInvalidArgument, "key_file_exists",
                 path.string() + " exists; a key file is never replaced"};
  }
  if (!fd.IsOpen()) return ErrnoError("file_unwritable", "can't create " + path.string());
  const SecretBytes key = crypto::RandomSecret(kKeyFileBytes);
  TRY_OK(WriteAll(fd.Get(), key.Reveal()));
  if (fsync(fd.Get()) != 0) return ErrnoError("file_unwritable", "can't write " + path.string());
  return SyncFolder(path.has_parent_path() ? path.parent_path() : ".");
}

}  // namespace ephemeralml::keys
