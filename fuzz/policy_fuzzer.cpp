// Reaches: verify::Policy::Parse

#include "client/verify/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  (void)verify::Policy::Parse(AsText({data, size}), verify::TrustOnFirstUse::kAllowed);
  return 0;
}
