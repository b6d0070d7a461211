#include "tests/support/killed_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "common/base/file.h"

namespace ephemeralml::testing_support {
namespace {

// A child that runs the program, and a thread that reads what it says.
class Child {
 public:
  Child(std::vector<std::string> arguments, bool is_traced) {
    std::array<int, 2> ends = {};
    CHECK(pipe2(ends.data(), O_CLOEXEC) == 0);
    reading_ = UniqueFd(ends[0]);
    UniqueFd writing(ends[1]);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      if (is_traced && ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(126);
      if (dup2(writing.Get(), 1) < 0 || dup2(writing.Get(), 2) < 0) _exit(126);
      char* const none[] = {nullptr};
      execve(argv[0], argv.data(), none);
      _exit(127);
    }
    writing.Reset();
    reader_ = std::thread([this] {
      std::array<char, 4096> piece;
      for (ssize_t count = 0; (count = read(reading_.Get(), piece.data(), piece.size())) > 0;) {
        output_.append(piece.data(), static_cast<size_t>(count));
      }
    });
  }

  pid_t pid() const { return pid_; }
  int Wait() {
    int status = 0;
    CHECK(wait4(pid_, &status, 0, &usage_) == pid_);
    return status;
  }
  ProgramEnd End(int status, bool was_killed) {
    reader_.join();
    return {.was_killed = was_killed,
            .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .output = output_,
            .peak_bytes = static_cast<uint64_t>(usage_.ru_maxrss) * 1024};
  }

 private:
  pid_t pid_ = -1;
  UniqueFd reading_;
  std::string output_;
  std::thread reader_;
  rusage usage_ = {};
};

bool ChangesTheDisk(const __ptrace_syscall_info& call) {
  switch (call.entry.nr) {
    case SYS_openat:
      return (call.entry.args[2] & O_CREAT) != 0;
    case SYS_write:
    case SYS_pwrite64:
    case SYS_ftruncate:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_fchmod:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_rename:
    case SYS_renameat2:
    case SYS_linkat:
    case SYS_unlink:
    case SYS_unlinkat:
      return true;
    default:
      return false;
  }
}

}  // namespace

ProgramEnd RunProgram(const std::vector<std::string>& arguments) {
  Child child(arguments, false);
  return child.End(child.Wait(), false);
}

ProgramEnd RunProgramKilledAt(const std::vector<std::string>& arguments, int call,
                              bool& is_traceable) {
  Child child(arguments, true);
  int status = child.Wait();
  is_traceable = WIFSTOPPED(status) && ptrace(PTRACE_SETOPTIONS, child.pid(), nullptr,
                                              PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) == 0;
  int signal = 0;
  bool is_counted = false;
  while (WIFSTOPPED(status)) {
    CHECK(ptrace(PTRACE_SYSCALL, child.pid(), nullptr, signal) == 0);
    status = child.Wait();
    if (!WIFSTOPPED(status)) break;
    const bool is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal = is_call ? 0 : WSTOPSIG(status);
    if (!is_call) continue;
    __ptrace_syscall_info info = {};
    CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, child.pid(), sizeof(info), &info) > 0);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      is_counted = ChangesTheDisk(info);
    } else if (std::exchange(is_counted, false) && --call == 0) {
      CHECK(kill(child.pid(), SIGKILL) == 0);
      while (WIFSTOPPED(status)) status = child.Wait();
      return child.End(status, true);
    }
  }
  return child.End(status, false);
}

}  // namespace ephemeralml::testing_support
