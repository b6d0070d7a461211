#include "enclave/engine/kernels/cast.h"
#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

class CastLike final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 1));
    return CastTo(context, context.InputType(1));
  }
};

}  // namespace

/// As Cast, to the second operand's type. Source: ONNX operator CastLike, versions 15 to 21.
MadeKernel MakeCastLike(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<CastLike>();
}

}  // namespace ephemeralml::engine::kernels
