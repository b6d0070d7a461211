// Reaches: tensors::DecodeNpy, tensors::DecodeNpz, tensors::DecodeJson

#include "client/tensors/json.h"
#include "client/tensors/npy.h"
#include "client/tensors/npz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  constexpr size_t kLimitBytes = 1 << 20;
  const ByteSpan input(data, size);
  (void)tensors::DecodeNpy("x", input);
  (void)tensors::DecodeNpz(input, kLimitBytes);
  (void)tensors::DecodeJson(AsText(input), {});
  return 0;
}
