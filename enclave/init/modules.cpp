#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "enclave/init/machine.h"
#include "enclave/init/steps.h"

namespace ephemeralml::init {

void LoadModules(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const int module = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    Require(module >= 0, "module_missing");
    Require(syscall(SYS_finit_module, module, "", 0) == 0 || errno == EEXIST, "module_refused");
    (void)close(module);
  }
}

}  // namespace ephemeralml::init
