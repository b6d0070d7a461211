#include "client/keys/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <thread>

#include "common/base/file.h"

namespace ephemeralml::keys {
namespace {

constexpr std::string_view kPrompt = "Secret: ";

// A terminal whose user waits for the prompt, types, and remembers what was shown.
class Terminal {
 public:
  Terminal() {
    int user = -1;
    int program = -1;
    CHECK(openpty(&user, &program, nullptr, nullptr, nullptr) == 0);
    user_ = UniqueFd(user);
    program_ = UniqueFd(program);
  }

  Result<SecretBytes> Ask(std::string_view typed, size_t limit_bytes = 100) {
    std::thread user([&] {
      while (!shown_.ends_with(kPrompt)) See(-1);
      CHECK(WriteAll(user_.Get(), AsBytes(typed)).has_value());
    });
    auto line = ReadSecretLine(program_.Get(), kPrompt, limit_bytes);
    user.join();
    while (See(50)) {
    }
    return line;
  }
  bool Echoes() const {
    termios state = {};
    CHECK(tcgetattr(program_.Get(), &state) == 0);
    return (state.c_lflag & ECHO) != 0 && (state.c_lflag & ICANON) != 0;
  }
  const std::string& shown() const { return shown_; }

 private:
  bool See(int timeout_ms) {
    pollfd ready{.fd = user_.Get(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, timeout_ms) <= 0) return false;
    char text[64];
    const ssize_t count = read(user_.Get(), text, sizeof(text));
    if (count > 0) shown_.append(text, static_cast<size_t>(count));
    return count > 0;
  }

  UniqueFd user_;
  UniqueFd program_;
  std::string shown_;
};

std::string Text(const SecretBytes& secret) { return std::string(AsText(secret.Reveal())); }

TEST(ReadSecretLine, ReadsTheLineAndShowsNothingOfIt) {
  Terminal terminal;
  EXPECT_EQ(Text(terminal.Ask("hunter2\r").value()), "hunter2");
  EXPECT_EQ(terminal.shown(), std::string(kPrompt) + "\r\n");
}

TEST(ReadSecretLine, LeavesTheTerminalAsItWas) {
  Terminal terminal;
  ASSERT_TRUE(terminal.Echoes());
  ASSERT_TRUE(terminal.Ask("a\n"));
  EXPECT_TRUE(terminal.Echoes());
  ASSERT_FALSE(terminal.Ask("\x03"));
  EXPECT_TRUE(terminal.Echoes());
}

TEST(ReadSecretLine, EditsAsATerminalDoes) {
  EXPECT_EQ(Text(Terminal()
                     .Ask("\x7f"
                          "ax\x7f"
                          "b\n")
                     .value()),
            "ab");
  EXPECT_EQ(Text(Terminal().Ask("wrong\x15right\n").value()), "right");
  EXPECT_EQ(Text(Terminal().Ask("\n").value()), "");
}

TEST(ReadSecretLine, RefusesWhenTheUserGivesUp) {
  EXPECT_EQ(Terminal().Ask("abc\x03").error().reason, "passphrase_invalid");
  EXPECT_EQ(Terminal().Ask("abc\x04").error().reason, "passphrase_invalid");
}

TEST(ReadSecretLine, RefusesALineOverTheLimit) {
  EXPECT_TRUE(Terminal().Ask("1234567890\n", 10));
  EXPECT_EQ(Terminal().Ask("12345678901\n", 10).error().reason, "passphrase_invalid");
}

TEST(ReadSecretLine, RefusesWhatIsNoTerminal) {
  const UniqueFd file(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(ReadSecretLine(file.Get(), kPrompt, 10).error().reason, "terminal_unavailable");
}

}  // namespace
}  // namespace ephemeralml::keys
