// Reaches: onnx::ReadModel, decompose::DecomposeBytes

#include "client/decompose/decompose.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  (void)decompose::DecomposeBytes({data, size}, [](ByteSpan) { return Done(); });
  return 0;
}
