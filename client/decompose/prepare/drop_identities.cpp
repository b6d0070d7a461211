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

bool IsTimesOne(const Facts& facts, const ProgramNode& node, size_t kept) {
  return ScalarBeside(facts, InputOf(node, 1 - kept), InputOf(node, kept)) == 1.0F;
}

// Which of its inputs the node passes on; none if it does anything.
std::optional<size_t> PassedOn(const Program& program, const Facts& facts, const ProgramNode& node,
                               onnx::ExternalFiles& files) {
  if (Is(node, "Identity") || Is(node, "Dropout")) {
    return DoesNothing(program, node, files) ? std::optional<size_t>(0) : std::nullopt;
  }
  const bool is_product = Is(node, "Mul");
  if ((is_product || Is(node, "Div")) && IsTimesOne(facts, node, 0)) return 0;
  return is_product && IsTimesOne(facts, node, 1) ? std::optional<size_t>(1) : std::nullopt;
}

}  // namespace

void DropIdentities(Program& program, ProgramGraph& graph, Facts& facts,
                    onnx::ExternalFiles& files) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    const auto passed_on = PassedOn(program, facts, node, files);
    if (!passed_on) return;
    const bool makes_a_mask =
        std::any_of(node.outputs.begin() + 1, node.outputs.end(),
                    [&](ValueId mask) { return rewriter.UseCount(mask) > 0; });
    if (makes_a_mask) return;
    const ValueId in = node.inputs[*passed_on];
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
