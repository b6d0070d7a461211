#pragma once
// What a client's process does for its secrets before it touches any.

#include <sys/resource.h>

namespace ephemeralml::doctor {

struct StartLimits {
  rlim_t core_bytes = 0;
  rlim_t locked_bytes = 0;
};

/// No core dumps, no look into the process for other processes of the same user, and as much locked
/// memory as the system grants without being asked for privileges. Call once, before there are
/// threads. What the system refuses stays as it is: `ephemeralml doctor` says so.
void ProtectProcess();

/// The limits that the process was started with, before ProtectProcess changed them.
StartLimits LimitsAtStart();

}  // namespace ephemeralml::doctor
