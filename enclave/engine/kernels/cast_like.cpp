#include "enclave/engine/kernels/cast.h"
#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

class CastLike final : public Kernel {
 public:
  explicit CastLike(const wire::Narrowing& how) : how_(how) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 1));
    return CastTo(context, context.InputType(1), how_);
  }

 private:
  wire::Narrowing how_;
};

}  // namespace

/// As Cast, to the second operand's type. Source: ONNX operator CastLike, versions 15 to 25.
MadeKernel MakeCastLike(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const wire::Narrowing how, ReadNarrowing(node));
  return std::make_unique<CastLike>(how);
}

}  // namespace ephemeralml::engine::kernels
