#include "enclave/engine/kernels/direction_weights.h"

#include <utility>

#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {

Result<DirectionWeights> OpenDirection(KernelContext& context, size_t input, int64_t direction) {
  DirectionWeights part;
  if (!context.HasInput(input)) return part;
  if (context.IsWeight(input)) {
    TRY(const weights::PanelStream panels, context.Panels(input));
    if (panels.weight().layout == weights::PanelLayout::kRows) {
      TRY(weights::OpenPanel open, panels.OpenRows(direction, direction + 1));
      part.values = open.Values<float>();
      part.open.emplace(std::move(open));
      return part;
    }
  }
  TRY(const TensorView view, context.Input(input));
  TRY(const size_t elements, CountBetween(view.shape, 1, view.shape.size()));
  part.values = view.Values<float>().data() + static_cast<size_t>(direction) * elements;
  return part;
}

}  // namespace ephemeralml::engine::kernels
