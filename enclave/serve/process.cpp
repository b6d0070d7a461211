#include "enclave/serve/process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <vector>

#include "enclave/serve/control.h"

namespace ephemeralml::serve {
namespace {

constexpr const char* kSelf = "/proc/self/exe";

// What a child gets: one thread a library call (the engine has its own threads), passive waiting.
constexpr std::array<const char*, 4> kChildEnvironment = {
    "OMP_NUM_THREADS=1", "OMP_WAIT_POLICY=PASSIVE", "OPENSSL_CONF=/dev/null", nullptr};

bool IsAllowed(std::string_view entry) {
  return entry.starts_with("EPHEMERAL_") || entry.starts_with("HOME=") ||
         entry.starts_with("XDG_STATE_HOME=") || entry == "OPENSSL_CONF=/dev/null" ||
         entry.starts_with("ASAN_OPTIONS=") || entry.starts_with("UBSAN_OPTIONS=") ||
         entry.starts_with("TSAN_OPTIONS=");
}

[[noreturn]] void BecomeChild(int control, const char* role) {
  // Past the fork only calls that are safe in a copy of a process.
  if (dup2(control, kControlDescriptor) < 0 || close_range(kControlDescriptor + 1, ~0U, 0) != 0) {
    _exit(127);
  }
  sigset_t none;
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, nullptr);
  std::array<char*, 3> argv = {const_cast<char*>("ephemeralml-enclave"), const_cast<char*>(role),
                               nullptr};
  std::array<char*, kChildEnvironment.size()> environment = {};
  for (size_t i = 0; i < environment.size(); ++i)
    environment[i] = const_cast<char*>(kChildEnvironment[i]);
  execve(kSelf, argv.data(), environment.data());
  _exit(127);
}

}  // namespace

Result<ChildProcess> StartProcess(const char* role) {
  TRY(auto sockets, MakeControlPair());
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError("process_start_failed", "can't start a process");
  if (pid == 0) BecomeChild(sockets.second.Get(), role);
  return ChildProcess{pid, std::move(sockets.first)};
}

void RequireCleanEnvironment(char** argv) {
  std::vector<char*> kept;
  bool clean = true;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (IsAllowed(*entry)) {
      kept.push_back(*entry);
    } else {
      clean = false;
    }
  }
  if (clean) return;
  kept.push_back(nullptr);
  execve(kSelf, argv, kept.data());
  CHECK(false && "this binary can't run itself anew");
}

}  // namespace ephemeralml::serve
