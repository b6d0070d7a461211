#include "enclave/engine/base/threads.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ephemeralml::engine {
namespace {

TEST(Threads, CoverEveryItemOnce) {
  for (const size_t count : {1u, 2u, 3u, 8u}) {
    Threads threads(count);
    EXPECT_EQ(threads.count(), count);
    for (const size_t items : {0u, 1u, 2u, 7u, 1000u}) {
      for (const size_t grain : {0u, 1u, 3u, 2000u}) {
        std::vector<std::atomic<int>> seen(items);
        threads.ParallelFor(items, grain, [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) ++seen[i];
        });
        for (const auto& times : seen) EXPECT_EQ(times, 1);
      }
    }
  }
}

TEST(Threads, WakeUpAfterSleeping) {
  Threads threads(3);
  for (int round = 0; round < 20; ++round) {
    std::atomic<size_t> sum = 0;
    threads.ParallelFor(30, 1, [&](size_t begin, size_t end) { sum += end - begin; });
    EXPECT_EQ(sum, 30u);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(Threads, UseNoProcessorWhenIdle) {
  Threads threads(3);
  threads.ParallelFor(3, 1, [](size_t, size_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const auto used_ns =
      (after.tv_sec - before.tv_sec) * 1'000'000'000 + (after.tv_nsec - before.tv_nsec);
  EXPECT_LT(used_ns, 20'000'000);
}

// Memory may run out anywhere. Who waits for a region must not go before its helpers are done.
TEST(Threads, ThrowOnTheCallerWhatAnyPartThrows) {
  Threads threads(4);
  for (size_t part = 0; part < 4; ++part) {
    std::atomic<int> done = 0;
    const auto body = [&](size_t begin, size_t) {
      if (begin == part) throw std::bad_alloc();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ++done;
    };
    EXPECT_THROW(threads.ParallelFor(4, 1, body), std::bad_alloc);
    EXPECT_EQ(done, 3);
    threads.ParallelFor(4, 1, [&](size_t, size_t) { ++done; });
    EXPECT_EQ(done, 7);
  }
  EXPECT_THROW((void)threads.TryParallelFor(
                   4, 1, [](size_t, size_t) -> Done { throw std::length_error("all"); }),
               std::length_error);
}

TEST(Threads, ReportTheErrorOfTheFirstPart) {
  Threads threads(4);
  const Done done = threads.TryParallelFor(4, 1, [](size_t begin, size_t) -> Done {
    if (begin == 0) return {};
    return Error{Code::kInternal, begin == 1 ? "first" : "later", ""};
  });
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().reason, "first");
  EXPECT_TRUE(threads.TryParallelFor(4, 1, [](size_t, size_t) -> Done { return {}; }).has_value());
}

TEST(Threads, GiveBackTheCallersProcessors) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  { Threads threads(2); }
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Threads, EndTheProcessWhenRegionsNest) {
  EXPECT_DEATH(
      {
        Threads threads(2);
        threads.ParallelFor(
            2, 1, [&](size_t, size_t) { threads.ParallelFor(2, 1, [](size_t, size_t) {}); });
      },
      "");
}

}  // namespace
}  // namespace ephemeralml::engine
