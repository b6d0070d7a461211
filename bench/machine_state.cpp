// Says what /proc doesn't: whether the hypervisor runs this machine's processors on cores of their
// own, and how far apart. Of two runs only those in the same state compare.
//
// Prints one JSON object: each processor's multiply-add rate while the others compute too (GFLOP/s,
// float32), per second of the clock and per second that it ran this program; the same of products
// of bfloat16 pairs with float32 sums (0 without AVX512_BF16); and the round trip of a cache line
// between the first two (ns; of several hundred, the fastest run of some).

#include <immintrin.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kChains = 12;      // more than the latency of a multiply-add times two ports
constexpr int kPairChains = 16;  // that instruction takes longer
constexpr int kRounds = 2000;
constexpr int kRuns = 100;
constexpr int kTripsInRun = 100;
constexpr std::chrono::milliseconds kComputing(20);

std::vector<int> Processors() {
  cpu_set_t set;
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  }
  return processors;
}

void PinTo(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
}

// One statement, so that the compiler neither drops the work nor keeps a chain in memory.
[[gnu::target("avx512f")]] void MultiplyAddWide() {
  const __m512 one = _mm512_set1_ps(1);
  const __m512 factor = _mm512_set1_ps(0.999F);
  __m512 c[kChains] = {one, one, one, one, one, one, one, one, one, one, one, one};
  for (int i = 0; i < kRounds; ++i) {
    asm volatile(
        "vfmadd231ps %12, %12, %0\n\t"
        "vfmadd231ps %12, %12, %1\n\t"
        "vfmadd231ps %12, %12, %2\n\t"
        "vfmadd231ps %12, %12, %3\n\t"
        "vfmadd231ps %12, %12, %4\n\t"
        "vfmadd231ps %12, %12, %5\n\t"
        "vfmadd231ps %12, %12, %6\n\t"
        "vfmadd231ps %12, %12, %7\n\t"
        "vfmadd231ps %12, %12, %8\n\t"
        "vfmadd231ps %12, %12, %9\n\t"
        "vfmadd231ps %12, %12, %10\n\t"
        "vfmadd231ps %12, %12, %11"
        : "+v"(c[0]), "+v"(c[1]), "+v"(c[2]), "+v"(c[3]), "+v"(c[4]), "+v"(c[5]), "+v"(c[6]),
          "+v"(c[7]), "+v"(c[8]), "+v"(c[9]), "+v"(c[10]), "+v"(c[11])
        : "v"(factor));
  }
}

[[gnu::target("avx2,fma")]] void MultiplyAdd() {
  const __m256 one = _mm256_set1_ps(1);
  const __m256 factor = _mm256_set1_ps(0.999F);
  __m256 c[kChains] = {one, one, one, one, one, one, one, one, one, one, one, one};
  for (int i = 0; i < kRounds; ++i) {
    asm volatile(
        "vfmadd231ps %12, %12, %0\n\t"
        "vfmadd231ps %12, %12, %1\n\t"
        "vfmadd231ps %12, %12, %2\n\t"
        "vfmadd231ps %12, %12, %3\n\t"
        "vfmadd231ps %12, %12, %4\n\t"
        "vfmadd231ps %12, %12, %5\n\t"
        "vfmadd231ps %12, %12, %6\n\t"
        "vfmadd231ps %12, %12, %7\n\t"
        "vfmadd231ps %12, %12, %8\n\t"
        "vfmadd231ps %12, %12, %9\n\t"
        "vfmadd231ps %12, %12, %10\n\t"
        "vfmadd231ps %12, %12, %11"
        : "+x"(c[0]), "+x"(c[1]), "+x"(c[2]), "+x"(c[3]), "+x"(c[4]), "+x"(c[5]), "+x"(c[6]),
          "+x"(c[7]), "+x"(c[8]), "+x"(c[9]), "+x"(c[10]), "+x"(c[11])
        : "x"(factor));
  }
}

[[gnu::target("avx512f,avx512bf16"), gnu::always_inline]] inline void MultiplyAddPairsOnce(
    __m512 (&c)[kPairChains / 2], __m512i factor) {
  asm volatile(
      "vdpbf16ps %8, %8, %0\n\t"
      "vdpbf16ps %8, %8, %1\n\t"
      "vdpbf16ps %8, %8, %2\n\t"
      "vdpbf16ps %8, %8, %3\n\t"
      "vdpbf16ps %8, %8, %4\n\t"
      "vdpbf16ps %8, %8, %5\n\t"
      "vdpbf16ps %8, %8, %6\n\t"
      "vdpbf16ps %8, %8, %7"
      : "+v"(c[0]), "+v"(c[1]), "+v"(c[2]), "+v"(c[3]), "+v"(c[4]), "+v"(c[5]), "+v"(c[6]),
        "+v"(c[7])
      : "v"(factor));
}

// Each sum takes two products of bfloat16 numbers. Two statements: one has no place for all chains.
[[gnu::target("avx512f,avx512bf16")]] void MultiplyAddPairs() {
  const __m512 one = _mm512_set1_ps(1);
  const __m512i factor = _mm512_set1_epi16(0x3F7F);  // 255 / 256 in bfloat16
  __m512 even[kPairChains / 2] = {one, one, one, one, one, one, one, one};
  __m512 odd[kPairChains / 2] = {one, one, one, one, one, one, one, one};
  for (int i = 0; i < kRounds; ++i) {
    MultiplyAddPairsOnce(even, factor);
    MultiplyAddPairsOnce(odd, factor);
  }
}

double ThreadSeconds() {
  timespec time = {};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// One of the loops above, and how many products and sums it makes in a run.
struct Loop {
  void (*run)();
  double operations;
};

Loop Float32Loop() {
  if (__builtin_cpu_supports("avx512f")) return {MultiplyAddWide, 2.0 * 16 * kChains * kRounds};
  return {MultiplyAdd, 2.0 * 8 * kChains * kRounds};
}

Loop Bfloat16Loop() {
  if (__builtin_cpu_supports("avx512bf16"))
    return {MultiplyAddPairs, 2.0 * 32 * kPairChains * kRounds};
  return {nullptr, 0};
}

struct Rate {
  double by_clock = 0;
  double by_processor = 0;
};

Rate MeasureRate(const Loop& loop) {
  if (loop.run == nullptr) return {};
  const double per_call = loop.operations / 1e9;
  const Clock::time_point start = Clock::now();
  const double thread_start = ThreadSeconds();
  double done = 0;
  std::chrono::duration<double> passed{};
  for (; passed < kComputing; passed = Clock::now() - start) {
    loop.run();
    done += per_call;
  }
  return {done / passed.count(), done / (ThreadSeconds() - thread_start)};
}

struct Ball {
  alignas(64) std::atomic<int> side{0};

  // Passes the ball on whenever it is on this side; the nanoseconds of one round trip in the
  // fastest run: others who take a processor away would lengthen the average at will.
  double Play(int own_side) {
    double fastest = std::numeric_limits<double>::max();
    for (int run = 0; run < kRuns; ++run) {
      const Clock::time_point start = Clock::now();
      for (int i = 0; i < kTripsInRun; ++i) {
        while (side.load(std::memory_order_acquire) != own_side) {
        }
        side.store(1 - own_side, std::memory_order_release);
      }
      const std::chrono::duration<double, std::nano> passed = Clock::now() - start;
      fastest = std::min(fastest, passed.count() / kTripsInRun);
    }
    return fastest;
  }
};

void PrintRates(const char* name, const std::vector<Rate>& rates, double Rate::*which) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < rates.size(); ++i)
    std::printf("%s%.1f", i == 0 ? "" : ", ", rates[i].*which);
  std::printf("], ");
}

}  // namespace

int main() {
  const std::vector<int> processors = Processors();
  std::vector<Rate> rates(processors.size());
  std::vector<Rate> bfloat16_rates(processors.size());
  std::barrier together(static_cast<std::ptrdiff_t>(processors.size()));
  Ball ball;
  double trip_ns = 0;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < processors.size(); ++i) {
    threads.emplace_back([&, i] {
      PinTo(processors[i]);
      together.arrive_and_wait();
      rates[i] = MeasureRate(Float32Loop());
      together.arrive_and_wait();
      bfloat16_rates[i] = MeasureRate(Bfloat16Loop());
      together.arrive_and_wait();
      if (processors.size() < 2 || i > 1) return;
      const double fastest = ball.Play(static_cast<int>(i));
      if (i == 0) trip_ns = fastest;
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("{");
  PrintRates("multiply_add_gflops", rates, &Rate::by_clock);
  PrintRates("multiply_add_gflops_while_running", rates, &Rate::by_processor);
  PrintRates("bfloat16_gflops_while_running", bfloat16_rates, &Rate::by_processor);
  std::printf("\"cache_line_trip_ns\": %.1f}\n", trip_ns);
  return 0;
}
