#include "enclave/serve/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "common/base/file.h"

namespace ephemeralml::serve {
namespace {

using Deed = void (*)();

// Of a call that is made for what the filter does to it.
void Ignore(ssize_t) {}

constexpr int kDone = 0;
constexpr int kNotConfined = 9;

// How a child ends that confines itself and then does the deed: its wait status.
int EndOf(Done (*confine)(), Deed deed) {
  const pid_t child = fork();
  if (child == 0) {
    if (!confine()) _exit(kNotConfined);
    deed();
    _exit(kDone);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

[[maybe_unused]] bool IsKilledFor(Done (*confine)(), Deed deed) {
  const int status = EndOf(confine, deed);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

bool MayDo(Done (*confine)(), Deed deed) {
  const int status = EndOf(confine, deed);
  return WIFEXITED(status) && WEXITSTATUS(status) == kDone;
}

Done ConfineTcpFetcher() { return ConfineFetcher(AF_INET); }

struct Case {
  const char* name;
  Deed deed;
};

void MapMemory(int protection) {
  void* memory = mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) _exit(1);
}

[[maybe_unused]] constexpr auto kForbiddenToAll = std::to_array<Case>({
    {"open", [] { (void)open("/dev/null", O_RDONLY); }},
    {"execve",
     [] {
       std::array<char*, 2> argv = {const_cast<char*>("true"), nullptr};
       execv("/bin/true", argv.data());
     }},
    {"fork", [] { (void)fork(); }},
    {"thread", [] { std::thread([] {}).join(); }},
    {"mprotect for execution",
     [] {
       void* memory =
           mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       (void)mprotect(memory, 4096, PROT_READ | PROT_EXEC);
     }},
    {"mmap for execution", [] { MapMemory(PROT_READ | PROT_EXEC); }},
    {"unix socket", [] { (void)socket(AF_UNIX, SOCK_STREAM, 0); }},
    {"datagram socket", [] { (void)socket(AF_INET, SOCK_DGRAM, 0); }},
    {"raw socket", [] { (void)socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
    {"netlink socket", [] { (void)socket(AF_NETLINK, SOCK_RAW, 0); }},
    {"ptrace", [] { (void)ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
    {"kill", [] { (void)kill(getpid(), 0); }},
    {"pipe",
     [] {
       std::array<int, 2> ends;
       Ignore(pipe(ends.data()));
     }},
    {"io_uring", [] { (void)syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"process_vm_readv", [] { (void)syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0); }},
    {"dup", [] { Ignore(dup(0)); }},
});

[[maybe_unused]] constexpr auto kForbiddenToWorkers = std::to_array<Case>({
    {"internet socket", [] { (void)socket(AF_INET, SOCK_STREAM, 0); }},
    {"vsock", [] { (void)socket(AF_VSOCK, SOCK_STREAM, 0); }},
    {"memory file", [] { (void)memfd_create("test", 0); }},
    {"connect", [] { (void)connect(0, nullptr, 0); }},
});

constexpr auto kAllowedToAll = std::to_array<Case>({
    {"nothing", [] {}},
    {"memory",
     [] {
       MapMemory(PROT_READ | PROT_WRITE);
       free(malloc(64 << 20));
     }},
    {"clock",
     [] {
       timespec now;
       (void)clock_gettime(CLOCK_MONOTONIC, &now);
     }},
    {"sleep", [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }},
    {"log", [] { Ignore(write(2, "", 0)); }},
});

// Sanitized builds refuse where others kill.
#ifndef EPHEMERAL_SANITIZED

TEST(ConfineWorker, KillsForForbiddenCalls) {
  for (const Case& each : kForbiddenToAll)
    EXPECT_TRUE(IsKilledFor(ConfineWorker, each.deed)) << each.name;
  for (const Case& each : kForbiddenToWorkers) {
    EXPECT_TRUE(IsKilledFor(ConfineWorker, each.deed)) << each.name;
  }
}

TEST(ConfineFetcher, KillsForForbiddenCalls) {
  for (const Case& each : kForbiddenToAll) {
    EXPECT_TRUE(IsKilledFor(ConfineTcpFetcher, each.deed)) << each.name;
  }
}

TEST(ConfineFetcher, KillsForSocketsOfAnotherFamilyThanTheHosts) {
  const auto tcp = [] { (void)socket(AF_INET, SOCK_STREAM, 0); };
  const auto tcp_over_ipv6 = [] { (void)socket(AF_INET6, SOCK_STREAM, 0); };
  const auto vsock = [] { (void)socket(AF_VSOCK, SOCK_STREAM, 0); };
  const auto confine_vsock_fetcher = [] { return ConfineFetcher(AF_VSOCK); };
  EXPECT_TRUE(IsKilledFor(ConfineTcpFetcher, tcp_over_ipv6));
  EXPECT_TRUE(IsKilledFor(ConfineTcpFetcher, vsock));
  EXPECT_TRUE(IsKilledFor(confine_vsock_fetcher, tcp));
  EXPECT_TRUE(IsKilledFor(confine_vsock_fetcher, tcp_over_ipv6));
}

TEST(ConfineWorker, KillsForTheCallsOfThreadsThatRanBefore) {
  const pid_t child = fork();
  if (child == 0) {
    std::array<int, 2> ends;
    if (pipe(ends.data()) != 0) _exit(1);
    std::thread early([&] {
      char go = 0;
      Ignore(read(ends[0], &go, 1));
      (void)open("/dev/null", O_RDONLY);
    });
    if (!ConfineWorker()) _exit(kNotConfined);
    Ignore(write(ends[1], "x", 1));
    early.join();
    _exit(kDone);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

#endif

TEST(ConfineWorker, LetsAWorkerWork) {
  for (const Case& each : kAllowedToAll) EXPECT_TRUE(MayDo(ConfineWorker, each.deed)) << each.name;
}

TEST(ConfineFetcher, LetsAFetcherFetch) {
  for (const Case& each : kAllowedToAll)
    EXPECT_TRUE(MayDo(ConfineTcpFetcher, each.deed)) << each.name;
  EXPECT_TRUE(MayDo(ConfineTcpFetcher, [] {
    if (socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) < 0) _exit(1);
    const int memory = memfd_create("test", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, 4096) != 0) _exit(2);
  }));
}

uid_t OwnerOfOwnMemory() {
  struct stat status = {};
  if (stat("/proc/self/mem", &status) != 0) _exit(1);
  return status.st_uid;
}

// The kernel gives the files of a process that isn't dumpable to root, whoever runs it.
TEST(LeaveNoTraces, LetsNobodyOfTheSameUserReadTheProcess) {
  EXPECT_TRUE(MayDo(
      [] {
        constexpr uid_t kNobody = 65534;
        if (getuid() == 0 && (setresgid(kNobody, kNobody, kNobody) != 0 ||
                              setresuid(kNobody, kNobody, kNobody) != 0)) {
          _exit(2);
        }
        (void)prctl(PR_SET_DUMPABLE, 1);  // a change of user turned it off
        if (OwnerOfOwnMemory() != getuid()) _exit(3);
        return LeaveNoTraces();
      },
      [] {
        if (prctl(PR_GET_DUMPABLE) != 0) _exit(4);
        if (OwnerOfOwnMemory() != 0) _exit(5);
      }));
}

TEST(LeaveNoTraces, AllowsNoCoreAndDiesWithItsParent) {
  EXPECT_TRUE(MayDo(LeaveNoTraces, [] {
    rlimit core = {1, 1};
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0) _exit(1);
    int signal = 0;
    if (prctl(PR_GET_PDEATHSIG, &signal) != 0 || signal != SIGKILL) _exit(2);
  }));
}

// Deeper frames, as a request's calls leave them.
[[gnu::noinline, maybe_unused]] uintptr_t LeaveALocalBehind() {
  volatile uint8_t local[4096];
  for (volatile uint8_t& byte : local) byte = 0xA7;
  volatile uintptr_t address = reinterpret_cast<uintptr_t>(&local[2048]);
  return address;
}

#ifndef EPHEMERAL_SANITIZED
TEST(LimitHeap, FailsAllocationsBeyondIt) {
  constexpr uint64_t kMore = uint64_t{64} << 20;
  EXPECT_TRUE(MayDo([] { return LimitHeap(kMore); },
                    [] {
                      void* within = malloc(kMore / 2);
                      void* beyond = malloc(kMore);
                      if (within == nullptr || beyond != nullptr) _exit(kNotConfined);
                    }));
}

TEST(WipeStackBelow, OverwritesWhatFinishedCallsLeft) {
  const auto* left = reinterpret_cast<const volatile uint8_t*>(LeaveALocalBehind());
  const uint8_t before = *left;
  WipeStackBelow();
  EXPECT_EQ(before, 0xA7);
  EXPECT_EQ(*left, 0);
}
#endif

}  // namespace
}  // namespace ephemeralml::serve
