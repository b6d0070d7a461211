#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "enclave/init/boot_files.h"
#include "enclave/init/machine.h"
#include "enclave/init/steps.h"

namespace ephemeralml::init {
namespace {

constexpr rlim_t kOpenFiles = 65536;

void Limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit = {value, value};
  Require(setrlimit(resource, &limit) == 0, "limit_refused");
}

// A kernel that lacks the switch lacks what it switches off.
void SwitchOff(const char* path) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return;
  Require(file >= 0 && write(file, "1", 1) == 1, "switch_refused");
  (void)close(file);
}

void DropCapabilities() {
  for (uint64_t one = 0; prctl(PR_CAPBSET_READ, one, 0, 0, 0) >= 0; ++one) {
    if (one == CAP_SYS_ADMIN) continue;
    Require(prctl(PR_CAPBSET_DROP, one, 0, 0, 0) == 0, "capability_kept");
  }
}

// The kernel writes an interface's flags in hexadecimal, after 0x.
bool IsUp(const std::filesystem::path& file) {
  const auto lines = ReadLines(file.c_str());
  unsigned flags = 0;
  errno = 0;
  Require(lines.has_value() && lines->size() == 1 && lines->front().starts_with("0x"),
          "interfaces_unreadable");
  const std::string& text = lines->front();
  Require(std::from_chars(text.data() + 2, text.data() + text.size(), flags, 16).ec == std::errc(),
          "interfaces_unreadable");
  return (flags & IFF_UP) != 0;
}

}  // namespace

void SetLimits() {
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
  Limit(RLIMIT_NOFILE, kOpenFiles);
  SwitchOff("/proc/sys/kernel/modules_disabled");
  SwitchOff("/proc/sys/kernel/kexec_load_disabled");
  DropCapabilities();
  umask(0077);
}

void RequireNoNetwork() {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::directory_iterator entry("/sys/class/net", error);
  if (error == std::errc::no_such_file_or_directory) return;  // a kernel without networks
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    Require(!IsUp(entry->path() / "flags"), "interface_up");
  }
  errno = error.value();
  Require(!error, "interfaces_unreadable");
}

}  // namespace ephemeralml::init
