#pragma once
// A process that is started to be lost.

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace ephemeralml::doctor {

/// The wait status of a child that runs `body` and then exits with what it returned; -1 if none
/// could be started. `body` may make system calls alone.
template <class Body>
int StatusOfChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  if (child < 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

}  // namespace ephemeralml::doctor
