#include "enclave/serve/confine.h"

#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <memory>

namespace ephemeralml::serve {
namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

constexpr size_t kWipedStackBytes = 256 * 1024;

// Sanitizers read files to explain what they found; refusing the call instead of ending the process
// leaves their report readable.
#ifdef EPHEMERAL_SANITIZED
constexpr uint32_t kForbidden = SCMP_ACT_ERRNO(1);
#else
constexpr uint32_t kForbidden = SCMP_ACT_KILL_PROCESS;
#endif

Error Failed() {
  return {Code::kInternal, "confinement_failed",
          "the kernel refused the system call filter; seccomp must be available"};
}

bool Allow(const Filter& filter, std::initializer_list<int> calls) {
  for (const int call : calls) {
    if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0) return false;
  }
  return true;
}

// Memory may be mapped and protected, but never made executable.
bool AllowWithoutExecution(const Filter& filter, int call) {
  // Written out: the library's own macros make C99 literals, which C++ compilers may refuse.
  const scmp_arg_cmp not_executable = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  return seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &not_executable) == 0;
}

bool AllowStreamSocket(const Filter& filter, uint64_t family) {
  constexpr uint64_t kTypeMask = 0xF;  // socket(2): the flags are above it
  const std::array<scmp_arg_cmp, 2> conditions = {
      scmp_arg_cmp{0, SCMP_CMP_EQ, family, 0},
      scmp_arg_cmp{1, SCMP_CMP_MASKED_EQ, kTypeMask, SOCK_STREAM}};
  return seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), conditions.size(),
                                conditions.data()) == 0;
}

bool AllowCommon(const Filter& filter) {
  return AllowWithoutExecution(filter, SCMP_SYS(mmap)) &&
         AllowWithoutExecution(filter, SCMP_SYS(mprotect)) &&
         Allow(filter, {SCMP_SYS(read),
                        SCMP_SYS(write),
                        SCMP_SYS(readv),
                        SCMP_SYS(writev),
                        SCMP_SYS(recvfrom),
                        SCMP_SYS(sendto),
                        SCMP_SYS(recvmsg),
                        SCMP_SYS(sendmsg),
                        SCMP_SYS(shutdown),
                        SCMP_SYS(poll),
                        SCMP_SYS(ppoll),
                        SCMP_SYS(close),
                        SCMP_SYS(futex),
                        SCMP_SYS(munmap),
                        SCMP_SYS(mremap),
                        SCMP_SYS(madvise),
                        SCMP_SYS(mlock),
                        SCMP_SYS(mlock2),
                        SCMP_SYS(munlock),
                        SCMP_SYS(brk),
                        SCMP_SYS(clock_gettime),
                        SCMP_SYS(clock_nanosleep),
                        SCMP_SYS(nanosleep),
                        SCMP_SYS(getrandom),
                        SCMP_SYS(sched_yield),
                        SCMP_SYS(sched_getaffinity),
                        SCMP_SYS(sched_setaffinity),
                        SCMP_SYS(gettid),
                        SCMP_SYS(getpid),
                        SCMP_SYS(tgkill),
                        SCMP_SYS(rt_sigprocmask),
                        SCMP_SYS(rt_sigaction),
                        SCMP_SYS(rt_sigreturn),
                        SCMP_SYS(sigaltstack),
                        SCMP_SYS(restart_syscall),
                        SCMP_SYS(exit),
                        SCMP_SYS(exit_group),
                        SCMP_SYS(getsockopt)});
}

Done Load(const Filter& filter, bool allowed) {
  if (!allowed || seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
      seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 1) != 0 ||
      seccomp_load(filter.get()) != 0) {
    return Failed();
  }
  return {};
}

}  // namespace

Done LeaveNoTraces() {
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
      prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return Failed();
  }
  // Asked for, not demanded: without the privilege the limit stays, and secrets are locked up to
  // it.
  const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  (void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
  return {};
}

Done LimitHeap(uint64_t bytes) {
#ifndef EPHEMERAL_SANITIZED  // whose own memory counts too
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0, shared = 0, text = 0, libraries = 0, data_pages = 0;
  if (!(file >> size >> resident >> shared >> text >> libraries >> data_pages)) {
    return Error{Code::kInternal, "confinement_failed", "the kernel doesn't say what is in use"};
  }
  const uint64_t most = data_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + bytes;
  const rlimit limit = {most, most};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) {
    return Error{Code::kInternal, "confinement_failed", "the kernel refused a limit of memory"};
  }
#else
  (void)bytes;
#endif
  return {};
}

Done ConfineWorker() {
  const Filter filter(seccomp_init(kForbidden), &seccomp_release);
  if (filter == nullptr) return Failed();
  return Load(filter, AllowCommon(filter));
}

Done ConfineFetcher(int family) {
  const Filter filter(seccomp_init(kForbidden), &seccomp_release);
  if (filter == nullptr) return Failed();
  return Load(filter, AllowCommon(filter) &&
                          AllowStreamSocket(filter, static_cast<uint64_t>(family)) &&
                          Allow(filter, {SCMP_SYS(connect), SCMP_SYS(setsockopt),
                                         SCMP_SYS(memfd_create), SCMP_SYS(ftruncate)}));
}

[[gnu::noinline]] void WipeStackBelow() {
  volatile uint8_t below[kWipedStackBytes];
  explicit_bzero(const_cast<uint8_t*>(below), sizeof below);
}

}  // namespace ephemeralml::serve
