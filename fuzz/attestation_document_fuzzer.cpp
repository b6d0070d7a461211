// Reaches: cose::DecodeSign1, cose::DecodeDocument

#include "common/cose/attestation_document.h"
#include "common/cose/sign1.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  const ByteSpan input(data, size);
  if (const auto envelope = cose::DecodeSign1(input)) (void)cose::DecodeDocument(envelope->payload);
  (void)cose::DecodeDocument(input);
  return 0;
}
