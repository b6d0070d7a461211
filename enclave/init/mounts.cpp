#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "enclave/init/machine.h"
#include "enclave/init/steps.h"

namespace ephemeralml::init {
namespace {

struct Mount {
  const char* type;
  const char* path;
  uint64_t flags;
};

constexpr std::array<Mount, 3> kMounts = {{
    {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC},
}};

}  // namespace

void MountSystem() {
  for (const Mount& one : kMounts) {
    Require(mount(one.type, one.path, one.type, one.flags, "") == 0, "mount_failed");
  }
}

void OpenConsole() {
  const int console = open("/dev/console", O_RDWR | O_NOCTTY);
  Require(console >= 0, "console_missing");
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    Require(dup2(console, standard) == standard, "console_missing");
  }
  if (console > STDERR_FILENO) (void)close(console);
}

void MakeEverythingReadOnly() {
  // MS_BIND: the mount alone. The kernel itself goes on making nodes in its device file system.
  for (const Mount& one : kMounts) {
    Require(mount(nullptr, one.path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | one.flags,
                  nullptr) == 0,
            "read_only_refused");
  }
  Require(mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0, "read_only_refused");
}

}  // namespace ephemeralml::init
