#include "client/decompose/prepare/prepare.h"

#include <algorithm>
#include <array>
#include <span>

#include "client/decompose/prepare/passes.h"

namespace ephemeralml::decompose {

namespace {

constexpr auto kWithTwoOperands = std::to_array<std::string_view>(
    {"Add", "Conv", "Div", "Gemm", "MatMul", "Mul", "Pow", "Reshape", "Sub"});

// The passes look at these operands without asking whether they are there.
bool HasOperands(const ProgramNode& node) {
  const size_t count = std::ranges::binary_search(kWithTwoOperands, node.op) ? 2 : 1;
  if (node.inputs.size() < count) return false;
  return std::ranges::none_of(std::span(node.inputs).first(count),
                              [](ValueId input) { return input == 0; });
}

}  // namespace

void Prepare(Program& program, onnx::ExternalFiles& files, const HasKernel& has_kernel) {
  // What isn't valid is the engine's to refuse.
  if (!std::ranges::all_of(program.main.nodes, HasOperands)) return;
  Facts facts(program, files);
  DropIdentities(program, facts, files);
  FoldConstants(program, facts);
  if (has_kernel("LayerNormalization")) FuseLayerNormalization(program, facts);
  if (has_kernel("Gelu")) FuseGelu(program, facts);
  if (has_kernel("MatMul")) FuseMatMul(program, facts);
  if (has_kernel("Attention")) FuseAttention(program, facts);
  if (has_kernel("MatMuls")) MergeMatMuls(program);
  constexpr std::array<std::string_view, 7> kBlocked = {
      "AveragePool",       "Conv",    "DepthwiseConv", "FromBlocked",
      "GlobalAveragePool", "MaxPool", "ToBlocked"};
  if (std::ranges::all_of(kBlocked, has_kernel)) {
    FuseConv(program, facts, files);
    AssignLayouts(program, facts, files);
  }
}

}  // namespace ephemeralml::decompose
