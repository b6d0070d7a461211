#pragma once
// The engine's own threads: started before the worker confines itself, pinned, woken for parallel
// regions. They spin for a bounded time after a region, then sleep: an idle session uses no
// processor.

#include <cstddef>
#include <functional>
#include <memory>

#include "common/base/result.h"

namespace ephemeralml::engine {

class Threads {
 public:
  /// `count` threads in all, the calling one included; at least 1. Pinned to the processors that
  /// this process may use, in order, when `count` doesn't exceed their number; the calling thread
  /// gets its own back with the destructor, which it must call too.
  explicit Threads(size_t count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  size_t count() const;

  /// Calls `body(begin, end)` over a partition of [0, items), on several threads if `items` is at
  /// least `grain` times two; returns when all have returned. Not from within a body.
  void ParallelFor(size_t items, size_t grain, const std::function<void(size_t, size_t)>& body);

  /// ParallelFor with a body that may fail. Errors: the failing part's with the lowest `begin`.
  Done TryParallelFor(size_t items, size_t grain, const std::function<Done(size_t, size_t)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ephemeralml::engine
