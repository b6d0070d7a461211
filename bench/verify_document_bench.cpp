// What does verifying a document cost the client: the first time, and when its certificates, or all
// but the last, are known from before? A chain of Nitro's length: four certificates of authorities
// and the one that signed.

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

void FirstTime(benchmark::State& state) {
  const Case one;
  bench::MeasureInUnits(state, &bench::ProcessorTime, &ForgetCertificates, [&] { one.VerifyIt(); });
}

void SameEnclaveAgain(benchmark::State& state) {
  const Case one;
  one.VerifyIt();
  bench::MeasureInUnits(
      state, &bench::ProcessorTime, [] {}, [&] { one.VerifyIt(); });
}

void AnotherEnclaveOfTheMachine(benchmark::State& state) {
  Case one;
  one.VerifyIt();
  bench::MeasureInUnits(
      state, &bench::ProcessorTime, [&] { one.NextEnclave(); }, [&] { one.VerifyIt(); });
}

BENCHMARK(FirstTime)->Iterations(200)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(SameEnclaveAgain)->Iterations(400)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(AnotherEnclaveOfTheMachine)
    ->Iterations(200)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ephemeralml::verify

BENCHMARK_MAIN();
