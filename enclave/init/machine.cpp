#include "enclave/init/machine.h"

#include <sys/reboot.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

namespace ephemeralml::init {

void Say(const char* event, int error_number) {
  std::string line = error_number == 0 ? R"({"level":"info")" : R"({"level":"error")";
  line += R"(,"role":"init","event":")";
  line += event;
  line += '"';
  if (error_number != 0) line += ",\"errno\":" + std::to_string(error_number);
  line += "}\n";
  const ssize_t ignored = write(STDERR_FILENO, line.data(), line.size());
  (void)ignored;
}

void EndMachine() {
  (void)kill(-1, SIGKILL);
  (void)reboot(RB_AUTOBOOT);
  for (;;) pause();
}

void Require(bool holds, const char* otherwise) {
  if (holds) return;
  Say(otherwise, errno == 0 ? EINVAL : errno);
  EndMachine();
}

}  // namespace ephemeralml::init
