#include "client/keys/terminal.h"

#include <errno.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/file.h"

namespace ephemeralml::keys {
namespace {

constexpr uint8_t kCtrlC = 3;
constexpr uint8_t kCtrlD = 4;
constexpr uint8_t kCtrlU = 21;
constexpr uint8_t kBackspace = 8;
constexpr uint8_t kDelete = 127;

Error Invalid(std::string_view what) {
  return {Code::kInvalidArgument, "passphrase_invalid", std::string(what)};
}

// No echo, no line buffer in the kernel (it can't be wiped), and no signals: Ctrl-C must not end
// the process while the terminal is silent.
class SilentTerminal {
 public:
  static Result<SilentTerminal> Silence(int fd) {
    termios before = {};
    if (tcgetattr(fd, &before) != 0) {
      return ErrnoError("terminal_unavailable", "can't ask for the passphrase");
    }
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG);
    silent.c_cc[VMIN] = 1;
    silent.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSAFLUSH, &silent) != 0) {
      return ErrnoError("terminal_unavailable", "can't silence the terminal");
    }
    return SilentTerminal(fd, before);
  }
  SilentTerminal(SilentTerminal&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), before_(other.before_) {}
  SilentTerminal& operator=(SilentTerminal&&) = delete;
  ~SilentTerminal() {
    if (fd_ >= 0) (void)tcsetattr(fd_, TCSAFLUSH, &before_);
  }

 private:
  SilentTerminal(int fd, const termios& before) : fd_(fd), before_(before) {}

  int fd_;
  termios before_;
};

Result<uint8_t> ReadByte(int fd) {
  uint8_t byte = 0;
  ssize_t count = 0;
  do {
    count = read(fd, &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoError("terminal_unavailable", "can't read the passphrase");
  return count == 0 ? kCtrlD : byte;
}

// Returns the line's length. Edits as a terminal would: backspace and Ctrl-U.
Result<size_t> ReadLine(int fd, MutableByteSpan line) {
  size_t size = 0;
  while (true) {
    TRY(const uint8_t byte, ReadByte(fd));
    if (byte == '\n' || byte == '\r') return size;
    if (byte == kCtrlC || byte == kCtrlD) return Invalid("no passphrase was given");
    if (byte == kCtrlU) {
      size = 0;
    } else if (byte == kBackspace || byte == kDelete) {
      size -= size > 0 ? 1 : 0;
    } else if (size == line.size()) {
      return Invalid("the passphrase is too long");
    } else {
      line[size++] = byte;
    }
  }
}

}  // namespace

Result<SecretBytes> ReadSecretLine(int terminal_fd, std::string_view prompt, size_t limit_bytes) {
  TRY(const SilentTerminal silent, SilentTerminal::Silence(terminal_fd));
  TRY_OK(WriteAll(terminal_fd, AsBytes(prompt)));
  SecretBytes line(limit_bytes);
  const auto size = ReadLine(terminal_fd, line.Fill());
  TRY_OK(WriteAll(terminal_fd, AsBytes("\n")));
  if (!size) return size.error();
  return SecretBytes::CopyOf(line.Reveal().first(*size));
}

}  // namespace ephemeralml::keys
