#pragma once
// Times as multiples of one ECDSA P-384 verification by the linked OpenSSL, taken in turn with what
// is measured: the same machine in the same state, so the ratios may be compared and the times not.

#include <benchmark/benchmark.h>

#include <functional>

namespace ephemeralml::bench {

/// Nanoseconds since some time.
using Clock = std::function<double()>;
double WallTime();
/// Of all threads of this process: another can't disturb it.
double ProcessorTime();

/// Verifies one signature over 32 bytes.
void VerifyOnce();

/// Runs `prepare` (not timed), `subject` and VerifyOnce in turn. Reports as counters `units`
/// (median over median) and `units_min` (least over least).
void MeasureInUnits(benchmark::State& state, const Clock& clock,
                    const std::function<void()>& prepare, const std::function<void()>& subject);

}  // namespace ephemeralml::bench
