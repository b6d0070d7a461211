#include "client/verify/recollection.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <span>
#include <system_error>

#include "client/verify/parsed_certificate.h"

namespace ephemeralml::verify {
namespace {

bool IsKnown(ByteSpan der) { return CertificateMemory::OfProcess().Knows(der); }

// Checks the signature of each but the first by the one before it.
void Recall(std::span<const ByteSpan> chain) {
  CertificatePointer issuer;
  for (const ByteSpan der : chain) {
    const auto certificate = CertificateMemory::OfProcess().Parse(der);
    if (!certificate || !(*certificate)->HasP384Key()) return;
    if (issuer != nullptr) (void)(*certificate)->IsSignedBy(*issuer);
    issuer = *certificate;
  }
}

// A kernel may put a new thread behind the one that made it, on the same processor, though others
// are idle; for the few milliseconds that this one lives, nothing would move it.
void MoveToAnotherProcessor(std::thread& thread) {
  cpu_set_t others;
  CPU_ZERO(&others);
  if (sched_getaffinity(0, sizeof(others), &others) != 0) return;
  const int here = sched_getcpu();
  if (here < 0) return;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0) return;
  (void)pthread_setaffinity_np(thread.native_handle(), sizeof(others), &others);
}

}  // namespace

Recollection::Recollection(const std::vector<Bytes>& bundle, ByteSpan leaf)
    : chain_(bundle.begin(), bundle.end()) {
  chain_.push_back(leaf);
  const std::span<const ByteSpan> upper = std::span(chain_).first(chain_.size() / 2 + 1);
  if (std::ranges::all_of(upper, &IsKnown)) return;
  try {
    upper_ = std::thread([upper] { Recall(upper); });
  } catch (const std::system_error&) {
    return;
  }
  MoveToAnotherProcessor(upper_);
}

Recollection::~Recollection() {
  if (upper_.joinable()) upper_.join();
}

void Recollection::Finish() {
  if (upper_.joinable()) {
    Recall(std::span(chain_).subspan(chain_.size() / 2));
    upper_.join();
  }
}

}  // namespace ephemeralml::verify
