#include "enclave/serve/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
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

// What posix_spawn(3) does between the two programs, in the parent's memory: nothing is copied, so
// the parent doesn't stumble over pages that it shares with a child for a moment.
class SpawnPlan {
 public:
  explicit SpawnPlan(int control) {
    sigset_t none;
    sigemptyset(&none);
    made_ =
        posix_spawn_file_actions_init(&actions_) == 0 && posix_spawnattr_init(&attributes_) == 0;
    made_ = made_ &&
            posix_spawn_file_actions_adddup2(&actions_, control, kControlDescriptor) == 0 &&
            posix_spawn_file_actions_addclosefrom_np(&actions_, kControlDescriptor + 1) == 0 &&
            posix_spawnattr_setsigmask(&attributes_, &none) == 0 &&
            posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK) == 0;
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    (void)posix_spawn_file_actions_destroy(&actions_);
    (void)posix_spawnattr_destroy(&attributes_);
  }

  // -1 if it can't, with the reason in errno.
  pid_t Run(const char* role) const {
    std::array<char*, 3> argv = {const_cast<char*>("ephemeralml-enclave"), const_cast<char*>(role),
                                 nullptr};
    std::array<char*, kChildEnvironment.size()> environment = {};
    for (size_t i = 0; i < environment.size(); ++i)
      environment[i] = const_cast<char*>(kChildEnvironment[i]);
    pid_t pid = -1;
    errno = made_
                ? posix_spawn(&pid, kSelf, &actions_, &attributes_, argv.data(), environment.data())
                : ENOMEM;
    return errno == 0 ? pid : -1;
  }

 private:
  posix_spawn_file_actions_t actions_ = {};
  posix_spawnattr_t attributes_ = {};
  bool made_ = false;
};

}  // namespace

Result<ChildProcess> StartProcess(const char* role) {
  TRY(auto sockets, MakeControlPair());
  const pid_t pid = SpawnPlan(sockets.second.Get()).Run(role);
  if (pid < 0) return ErrnoError("process_start_failed", "can't start a process");
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
