// What does verifying a document cost the client: the first time, and when its certificates, or all
// but the last, are known from before? A chain of Nitro's length: four certificates of authorities
// and the one that signed. By the clock on the wall; and by the processor time of all threads,
// which two at work on one core's two halves lengthen.

#include <map>

#include "bench/unit.h"
#include "client/verify/chain.h"
#include "client/verify/testing/insecure_nitro.h"

namespace ephemeralml::verify {
namespace {

struct Case {
  InsecureNitro nitro = InsecureNitro(Now());
  Bytes evidence = nitro.Evidence();
  Policy policy = nitro.MatchingPolicy();
  TrustRoot root = nitro.Root();

  void VerifyIt() const {
    CHECK(verify::Verify(evidence, policy, nitro.expectations, root, nitro.now).has_value());
  }
  // Another enclave of the same machine: a signing certificate of its own.
  void NextEnclave() {
    InsecureChain& chain = nitro.chain;
    chain.keys[kLeaf] = cose::Es384Key::Generate();
    chain.certificates[kLeaf] =
        cose::IssueCertificate(chain.specs[kLeaf], chain.keys[kLeaf].PublicKey(),
                               {chain.keys[kInstance], chain.certificates[kInstance]})
            .value();
    evidence = nitro.Evidence();
  }
};

void FirstTime(benchmark::State& state, const bench::Clock& clock) {
  const Case one;
  bench::MeasureInUnits(state, clock, &ForgetCertificates, [&] { one.VerifyIt(); });
}

void SameEnclaveAgain(benchmark::State& state, const bench::Clock& clock) {
  const Case one;
  one.VerifyIt();
  bench::MeasureInUnits(
      state, clock, [] {}, [&] { one.VerifyIt(); });
}

void AnotherEnclaveOfTheMachine(benchmark::State& state, const bench::Clock& clock) {
  Case one;
  one.VerifyIt();
  bench::MeasureInUnits(
      state, clock, [&] { one.NextEnclave(); }, [&] { one.VerifyIt(); });
}

#define DOCUMENT_BENCHMARK(name, clock)         \
  BENCHMARK_CAPTURE(name, clock, &bench::clock) \
      ->Iterations(200)                         \
      ->UseManualTime()                         \
      ->Unit(benchmark::kMillisecond)
DOCUMENT_BENCHMARK(FirstTime, WallTime);
DOCUMENT_BENCHMARK(FirstTime, ProcessorTime);
DOCUMENT_BENCHMARK(SameEnclaveAgain, WallTime);
DOCUMENT_BENCHMARK(SameEnclaveAgain, ProcessorTime);
DOCUMENT_BENCHMARK(AnotherEnclaveOfTheMachine, WallTime);
DOCUMENT_BENCHMARK(AnotherEnclaveOfTheMachine, ProcessorTime);

}  // namespace
}  // namespace ephemeralml::verify

BENCHMARK_MAIN();
