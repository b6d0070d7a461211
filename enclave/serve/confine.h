#pragma once
// Taking away what a process no longer needs, before it reads the first byte from a stranger.

#include <cstdint>

#include "common/base/result.h"

namespace ephemeralml::serve {

/// No core dumps, not readable by other processes of the same user, dies with its parent.
Done LeaveNoTraces();

/// From now on the process gets this much more memory of its own than it has now: beyond it,
/// allocations fail. Needs files. Errors: kInternal `confinement_failed`.
Done LimitHeap(uint64_t bytes);

/// For a worker: no files, no new sockets, no exec, no new executable memory, on all its threads.
/// A forbidden system call ends the process. Errors: kInternal `confinement_failed`.
Done ConfineWorker();

/// For the fetcher: as a worker, but it may make memory files and connect stream sockets of one
/// address family, the host's: AF_INET, AF_INET6 or AF_VSOCK.
Done ConfineFetcher(int family);

/// Overwrites the calling thread's stack below the caller's frame, where finished calls left their
/// locals.
void WipeStackBelow();

}  // namespace ephemeralml::serve
