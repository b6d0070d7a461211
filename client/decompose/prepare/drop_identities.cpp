#include <algorithm>

#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/prepare/match.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

bool IsFalse(const Program& program, ValueId value, onnx::ExternalFiles& files) {
  const auto constant = program.constants.find(value);
  if (constant == program.constants.end() || constant->second.tensor == nullptr) return false;
  const onnx::Tensor& tensor = *constant->second.tensor;
  if (onnx::TypeOf(tensor) != wire::ElementType::kBool) return false;
  const auto data = onnx::ReadTensorData(tensor, files);
  return data && data->bytes().size() == 1 && data->bytes()[0] == 0;
}

bool DoesNothing(const Program& program, const ProgramNode& node, onnx::ExternalFiles& files) {
  if (Is(node, "Identity")) return node.inputs.size() == 1;
  if (!Is(node, "Dropout") || node.inputs.empty()) return false;
  const ValueId training = InputOf(node, 2);
  return training == 0 || IsFalse(program, training, files);
}

}  // namespace

void DropIdentities(Program& program, Facts& facts, onnx::ExternalFiles& files) {
  Rewriter rewriter(program);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (!DoesNothing(program, node, files)) return;
    const bool makes_a_mask =
        std::any_of(node.outputs.begin() + 1, node.outputs.end(),
                    [&](ValueId mask) { return rewriter.UseCount(mask) > 0; });
    if (makes_a_mask) return;
    const ValueId in = node.inputs[0];
    const ValueId out = node.outputs[0];
    if (!rewriter.IsOutput(out)) {
      rewriter.Redirect(out, in);
      rewriter.Drop(&node);
    } else if (rewriter.Rename(in, out)) {
      facts.Rename(in, out);
      rewriter.Drop(&node);
    }
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
