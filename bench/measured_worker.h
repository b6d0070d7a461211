#pragma once
// A worker that is timed: an own process with what the enclave's worker has (threads, arena, one
// heap, confinement), answering one request again and again as its parent orders. It gets its
// sealed blob as a worker does, through the control socket, and stays as confined as one.

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "common/base/file.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml::bench {

/// One answered request, from its bytes in memory to the reply's bytes.
struct Sample {
  int64_t wall_ns = 0;
  int64_t processor_ns = 0;  ///< of all threads, spinning included
};

struct Answered {
  std::vector<Sample> samples;
  SecretBytes last_reply;  ///< a serialized wire::Reply
};

struct MemoryUse {
  uint64_t peak_bytes = 0;            ///< resident, the mapped sealed blob included
  uint64_t before_request_bytes = 0;  ///< peak before the first request came
};

/// The parent's end; when it goes, the process ends. Threads: one.
class MeasuredWorker {
 public:
  /// Starts the process; call before the parent has threads. Errors: kIo `process_start_failed`.
  static Result<MeasuredWorker> Start(size_t threads, uint64_t memory_limit_bytes);
  pid_t pid() const { return pid_; }

  /// Waits until it is set up, hands it the request, and gives it `sealed_blob` (a memory file) as
  /// soon as it asks for it while it answers for the first time, which is not timed. `further`:
  /// what it is asked from then on, if not the same.
  Done GiveRequest(const SecretBytes& request, int sealed_blob, const SecretBytes& further);

  /// Has the (further) request answered `count` times. Errors: kIo `control_lost` (it died).
  Result<Answered> Answer(uint32_t count);

  /// Its peak use of memory so far.
  MemoryUse Memory() const;

 private:
  MeasuredWorker() = default;

  pid_t pid_ = -1;
  UniqueFd control_;
  UniqueFd orders_;
  uint64_t before_request_bytes_ = 0;
};

}  // namespace ephemeralml::bench
