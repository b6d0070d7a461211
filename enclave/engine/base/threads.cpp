#include "enclave/engine/base/threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace ephemeralml::engine {
namespace {

// A sleeper takes some 50 µs to wake, about the time between two regions of a running request: so a
// thread spins across such gaps, and sleeps when the request is over.
constexpr std::chrono::microseconds kSpin(200);

thread_local bool inside_region = false;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns when the value isn't `old` any more.
uint32_t AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      const uint32_t now = value.load(std::memory_order_acquire);
      if (now != old) return now;
      Pause();
    }
    if (std::chrono::steady_clock::now() > deadline) break;
  }
  for (;;) {
    value.wait(old, std::memory_order_acquire);
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
  }
}

std::vector<int> UsableProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return processors;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) processors.push_back(cpu);
  }
  return processors;
}

// Failing to pin costs speed alone.
void PinCallingThread(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

}  // namespace

struct Threads::State {
  std::vector<std::thread> helpers;
  std::optional<cpu_set_t> affinity_before;  // the calling thread's, if we changed it

  // A region: written by the caller before `generation` says so, read by helpers after.
  const std::function<void(size_t, size_t)>* body = nullptr;
  size_t items = 0;
  size_t parts = 0;
  bool stop = false;

  std::atomic<uint32_t> generation = 0;
  std::atomic<uint32_t> running = 0;  // helpers that haven't finished the region

  std::atomic<bool> has_thrown = false;
  std::exception_ptr thrown;  // the first one's; read when nobody runs any more

  // Memory may run out on any thread: the caller hears of it, when all are done.
  void RunPart(size_t part) {
    inside_region = true;
    try {
      (*body)(items * part / parts, items * (part + 1) / parts);
    } catch (...) {
      if (!has_thrown.exchange(true)) thrown = std::current_exception();
    }
    inside_region = false;
  }

  void Helper(size_t index) {
    uint32_t seen = 0;
    for (;;) {
      seen = AwaitChange(generation, seen);
      if (stop) return;
      if (index < parts) RunPart(index);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }

  void Start() {
    running.store(static_cast<uint32_t>(helpers.size()), std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }
};

Threads::Threads(size_t count) : state_(std::make_unique<State>()) {
  count = std::max<size_t>(count, 1);
  const std::vector<int> processors = UsableProcessors();
  const bool pin = count > 1 && count <= processors.size();
  if (pin) {
    cpu_set_t before;
    if (pthread_getaffinity_np(pthread_self(), sizeof(before), &before) == 0) {
      state_->affinity_before = before;
      PinCallingThread(processors[0]);
    }
  }
  for (size_t i = 1; i < count; ++i) {
    state_->helpers.emplace_back([state = state_.get(), i, pin, cpu = pin ? processors[i] : 0] {
      if (pin) PinCallingThread(cpu);
      state->Helper(i);
    });
  }
}

Threads::~Threads() {
  state_->stop = true;
  state_->Start();
  for (std::thread& helper : state_->helpers) helper.join();
  if (state_->affinity_before) {
    (void)pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), &*state_->affinity_before);
  }
}

size_t Threads::count() const { return state_->helpers.size() + 1; }

void Threads::ParallelFor(size_t items, size_t grain,
                          const std::function<void(size_t, size_t)>& body) {
  CHECK(!inside_region);
  if (items == 0) return;
  const size_t parts = std::min(count(), items / std::max<size_t>(grain, 1));
  if (parts < 2) {
    body(0, items);
    return;
  }
  state_->body = &body;
  state_->items = items;
  state_->parts = parts;
  state_->Start();
  state_->RunPart(0);
  for (uint32_t left = state_->running.load(std::memory_order_acquire); left != 0;) {
    left = AwaitChange(state_->running, left);
  }
  if (!state_->has_thrown) return;
  state_->has_thrown = false;
  std::rethrow_exception(std::exchange(state_->thrown, nullptr));
}

Done Threads::TryParallelFor(size_t items, size_t grain,
                             const std::function<Done(size_t, size_t)>& body) {
  std::mutex mutex;
  std::optional<std::pair<size_t, Error>> first;
  ParallelFor(items, grain, [&](size_t begin, size_t end) {
    Done done = body(begin, end);
    if (done.has_value()) return;
    const std::lock_guard lock(mutex);
    if (!first || begin < first->first) first.emplace(begin, std::move(done).error());
  });
  if (first) return std::move(first->second);
  return {};
}

}  // namespace ephemeralml::engine
