#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Runs one of two subgraphs; its outputs become the node's.
/// Errors: kMalformed `input_invalid` (the condition isn't one boolean), `topology_malformed` (the
/// branch makes another number of outputs), those of the branch.
/// Source: ONNX operator If, opset 1-21.
class If final : public Kernel {
 public:
  If(std::shared_ptr<const PreparedGraph> then_branch,
     std::shared_ptr<const PreparedGraph> else_branch)
      : then_branch_(std::move(then_branch)), else_branch_(std::move(else_branch)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView condition, RequiredInput(context, 0));
    if (condition.type != ElementType::kBool || condition.bytes.size() != 1) {
      return InputInvalid("If: the condition must be one boolean");
    }
    return context.RunGraph(condition.bytes[0] != 0 ? *then_branch_ : *else_branch_);
  }

 private:
  std::shared_ptr<const PreparedGraph> then_branch_;
  std::shared_ptr<const PreparedGraph> else_branch_;
};

}  // namespace

MadeKernel MakeIf(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_outputs = 0, .most_outputs = SIZE_MAX}));
  TRY(std::shared_ptr<const PreparedGraph> then_branch,
      node.attributes.RequiredGraph("then_branch"));
  TRY(std::shared_ptr<const PreparedGraph> else_branch,
      node.attributes.RequiredGraph("else_branch"));
  return std::make_unique<If>(std::move(then_branch), std::move(else_branch));
}

}  // namespace ephemeralml::engine::kernels
