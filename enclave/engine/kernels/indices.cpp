#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {

Result<std::vector<int64_t>> ReadIndexTensor(KernelContext& context, size_t index) {
  TRY(const TensorView view, RequiredInput(context, index));
  if (view.type == ElementType::kInt64) {
    const auto values = view.Values<int64_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  if (view.type == ElementType::kInt32) {
    const auto values = view.Values<int32_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  return TypeUnsupported(view.type);
}

Result<size_t> CheckedIndex(int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) return InputInvalid("an index lies outside its axis");
  return static_cast<size_t>(index < 0 ? index + extent : index);
}

}  // namespace ephemeralml::engine::kernels
