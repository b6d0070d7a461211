#include "enclave/engine/kernels/scatter.h"

#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T>
T Reduced(T a, T b, ScatterReduction reduction) {
  // Integers wrap: counted in an unsigned type at least as wide as int.
  using Wide = std::conditional_t<std::is_floating_point_v<T>, T,
                                  std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>;
  switch (reduction) {
    case ScatterReduction::kAdd:
      return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
    case ScatterReduction::kMultiply:
      return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b));
    case ScatterReduction::kMax:
      return a > b || a != a ? a : b;
    case ScatterReduction::kMin:
      return a < b || a != a ? a : b;
    case ScatterReduction::kNone:
      break;
  }
  return b;
}

template <class T>
void Apply(T* target, const T* updates, const std::vector<size_t>& places, size_t run,
           ScatterReduction reduction) {
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t k = 0; k < run; ++k) {
      T& element = target[places[i] + k];
      element = Reduced(element, updates[i * run + k], reduction);
    }
  }
}

}  // namespace

Result<ScatterReduction> ReadScatterReduction(const NodeSpec& node) {
  TRY(const std::string name, node.attributes.String("reduction", "none"));
  const std::string_view reduction = name;
  if (reduction == "none") return ScatterReduction::kNone;
  if (reduction == "add") return ScatterReduction::kAdd;
  if (reduction == "mul") return ScatterReduction::kMultiply;
  if (reduction == "max") return ScatterReduction::kMax;
  if (reduction == "min") return ScatterReduction::kMin;
  return AttributeInvalid(node.op + ": attribute 'reduction' must be none, add, mul, max or min");
}

Done Scatter(KernelContext& context, const TensorView& updates, const std::vector<size_t>& places,
             size_t run, ScatterReduction reduction) {
  TRY(const TensorView data, RequiredInput(context, 0));
  if (updates.type != data.type) return InputInvalid("updates and data differ in type");
  const auto scatter = [&]<class T>(std::type_identity<T>) -> Done {
    TRY(Tensor * output, context.Output(0, data.type, data.shape));
    CopyBytes(data.bytes, output->MutableBytes());
    Apply(Raw<T>(*output), Raw<T>(updates), places, run, reduction);
    return {};
  };
  if (reduction == ScatterReduction::kNone) return WithWidth(data.type, scatter);
  return WithType(NumericTypes{}, data.type, scatter);
}

}  // namespace ephemeralml::engine::kernels
