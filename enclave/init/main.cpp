// ephemeralml-init: the first program of an enclave. It sets the machine up, runs the one program
// that the image names, and ends the machine when that ends. There is no shell and no way in.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "enclave/init/boot_files.h"
#include "enclave/init/machine.h"
#include "enclave/init/steps.h"

namespace ephemeralml::init {
namespace {

std::vector<std::string> Lines(const char* path) {
  errno = 0;
  std::optional<std::vector<std::string>> lines = ReadLines(path);
  Require(lines.has_value(), "boot_file_unreadable");
  return *std::move(lines);
}

pid_t Start(std::vector<std::string> command) {
  const pid_t child = fork();
  Require(child >= 0, "program_not_started");
  if (child != 0) return child;
  (void)setsid();
  std::vector<char*> arguments(command.size() + 1, nullptr);
  std::ranges::transform(command, arguments.begin(), [](std::string& one) { return one.data(); });
  std::array<char*, 1> environment = {nullptr};
  (void)execve(arguments.front(), arguments.data(), environment.data());
  Say("program_not_started", errno);
  _exit(127);
}

// Orphans too come back to the first program.
void ReapUntil(pid_t program) {
  for (;;) {
    const pid_t ended = waitpid(-1, nullptr, 0);
    if (ended == program) return;
    Require(ended > 0 || errno == EINTR, "wait_failed");
  }
}

[[noreturn]] void Run() {
  LoadModules(Lines(kModulesFile));
  SendHeartbeat();
  MountSystem();
  OpenConsole();
  Say("heartbeat_answered");
  SetLimits();
  RequireNoNetwork();
  MakeEverythingReadOnly();
  std::vector<std::string> command = Lines(kCommandFile);
  errno = 0;
  Require(!command.empty(), "command_missing");
  Say("program_starts");
  ReapUntil(Start(std::move(command)));
  Say("program_ended");
  EndMachine();
}

}  // namespace
}  // namespace ephemeralml::init

int main() {
  if (getpid() != 1) {
    ephemeralml::init::Say("not_the_first_program", EPERM);
    return 1;
  }
  ephemeralml::init::Run();
}
