#include "client/doctor/protect.h"

#include <sys/prctl.h>

#include <optional>

namespace ephemeralml::doctor {
namespace {

std::optional<StartLimits> limits_at_start;

rlimit Read(int resource) {
  rlimit limit = {};
  (void)getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
  return limit;
}

}  // namespace

void ProtectProcess() {
  limits_at_start = LimitsAtStart();
  const rlimit none = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  // The limit alone doesn't stop dumps that are piped into a program: core(5).
  (void)prctl(PR_SET_DUMPABLE, 0);
  rlimit locked = Read(RLIMIT_MEMLOCK);
  locked.rlim_cur = locked.rlim_max;
  (void)setrlimit(RLIMIT_MEMLOCK, &locked);
}

StartLimits LimitsAtStart() {
  if (limits_at_start) return *limits_at_start;
  return {Read(RLIMIT_CORE).rlim_cur, Read(RLIMIT_MEMLOCK).rlim_cur};
}

}  // namespace ephemeralml::doctor
