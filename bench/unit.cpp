#include "bench/unit.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <vector>

#include "common/base/owned.h"
#include "common/base/result.h"

namespace ephemeralml::bench {
namespace {

using Context = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;

struct Signed {
  Owned<EVP_PKEY, EVP_PKEY_free> key;
  std::array<uint8_t, 32> message = {};
  std::array<uint8_t, 128> signature = {};
  size_t size = signature.size();

  Signed() : key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", SN_secp384r1)) {
    const Context context(EVP_MD_CTX_new());
    CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key.get()) == 1);
    CHECK(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) ==
          1);
  }
};

double Nanoseconds(clockid_t clock) {
  timespec now = {};
  CHECK(clock_gettime(clock, &now) == 0);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double Median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

double WallTime() { return Nanoseconds(CLOCK_MONOTONIC); }
double ProcessorTime() { return Nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

void VerifyOnce() {
  static const Signed one;
  const Context context(EVP_MD_CTX_new());
  CHECK(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, one.key.get()) == 1);
  CHECK(EVP_DigestVerify(context.get(), one.signature.data(), one.size, one.message.data(),
                         one.message.size()) == 1);
}

void MeasureInUnits(benchmark::State& state, const Clock& clock,
                    const std::function<void()>& prepare, const std::function<void()>& subject) {
  std::vector<double> subjects;
  std::vector<double> units;
  const auto time = [&](const std::function<void()>& call) {
    const double start = clock();
    call();
    return clock() - start;
  };
  VerifyOnce();
  for (auto _ : state) {
    prepare();
    subjects.push_back(time(subject));
    state.SetIterationTime(subjects.back() / 1e9);
    units.push_back(time(&VerifyOnce));
  }
  state.counters["units"] = Median(subjects) / Median(units);
  state.counters["units_min"] = subjects.front() / units.front();  // sorted by now
}

}  // namespace ephemeralml::bench
