#include "enclave/weights/expand_half.h"

#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/weights/expand_half.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::weights::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Seen: where a processor lacks the conversion, Highway's own makes numbers of infinities.
constexpr bool kConvertsInHardware = HWY_ARCH_ARM || HWY_TARGET <= HWY_AVX2;

// Exponent and fraction move to their places; multiplying by 2^(127-15) mends the exponent's bias,
// also of what has no leading one.
float WidenFloat16(uint16_t half) {
  const auto magnitude = static_cast<uint32_t>(half & 0x7FFF) << 13;
  const auto sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t bits = half % 0x8000 >= 0x7C00
                            ? magnitude | 0x7F800000
                            : std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  return std::bit_cast<float>(bits | sign);
}

void ExpandFloat16(const uint16_t* halves, size_t count, float* floats) {
  size_t i = 0;
  if constexpr (kConvertsInHardware) {
    const hn::ScalableTag<float> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> half;
    const auto* from = reinterpret_cast<const hwy::float16_t*>(halves);
    for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
      hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, from + i)), d, floats + i);
    }
  }
  for (; i < count; ++i) floats[i] = WidenFloat16(halves[i]);
}

// The upper halves of float32: compilers vectorize this by themselves.
void ExpandBfloat16(const uint16_t* halves, size_t count, float* floats) {
  for (size_t i = 0; i < count; ++i) {
    floats[i] = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
  }
}

}  // namespace ephemeralml::weights::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "common/base/result.h"

namespace ephemeralml::weights {

HWY_EXPORT(ExpandFloat16);
HWY_EXPORT(ExpandBfloat16);

void ExpandHalves(wire::ElementType type, ByteSpan halves, MutableByteSpan floats) {
  const size_t count = halves.size() / 2;
  CHECK(IsHalf(type) && floats.size() / sizeof(float) >= count);
  const auto* from = reinterpret_cast<const uint16_t*>(halves.data());
  auto* to = reinterpret_cast<float*>(floats.data());
  if (type == wire::ElementType::kFloat16) {
    HWY_DYNAMIC_DISPATCH(ExpandFloat16)(from, count, to);
  } else {
    HWY_DYNAMIC_DISPATCH(ExpandBfloat16)(from, count, to);
  }
}

}  // namespace ephemeralml::weights
#endif
