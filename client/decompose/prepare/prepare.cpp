#include "client/decompose/prepare/prepare.h"

#include <algorithm>
#include <array>
#include <span>

#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shared_constants.h"
#include "client/decompose/program/order.h"

namespace ephemeralml::decompose {

namespace {

constexpr auto kWithTwoOperands = std::to_array<std::string_view>(
    {"Add", "Conv", "Div", "Gemm", "MatMul", "Mul", "Pow", "Reshape", "Sub"});

constexpr auto kWithoutOperands = std::to_array<std::string_view>(
    {"Loop", "Optional", "RandomNormal", "RandomUniform", "SequenceEmpty"});
static_assert(std::ranges::is_sorted(kWithTwoOperands) && std::ranges::is_sorted(kWithoutOperands));

// The passes look at these operands without asking whether they are there.
bool HasOperands(const ProgramNode& node) {
  if (std::ranges::binary_search(kWithoutOperands, node.op)) return true;
  const size_t count = std::ranges::binary_search(kWithTwoOperands, node.op) ? 2 : 1;
  if (node.inputs.size() < count) return false;
  return std::ranges::none_of(std::span(node.inputs).first(count),
                              [](ValueId input) { return input == 0; });
}

// The passes that fuse, over one graph.
void Fuse(Program& program, ProgramGraph& graph, const Facts& facts, onnx::ExternalFiles& files,
          const HasKernel& has_kernel, bool in_bfloat16) {
  if (has_kernel("LayerNormalization")) FuseLayerNormalization(program, graph, facts);
  if (has_kernel("Gelu")) FuseGelu(program, graph, facts);
  if (has_kernel("MatMul")) FuseMatMul(program, graph, facts);
  if (has_kernel("Attention")) FuseAttention(program, graph, facts, in_bfloat16);
  if (has_kernel("MatMuls")) MergeMatMuls(graph);
  constexpr std::array<std::string_view, 7> kBlocked = {
      "AveragePool",       "Conv",    "DepthwiseConv", "FromBlocked",
      "GlobalAveragePool", "MaxPool", "ToBlocked"};
  if (std::ranges::all_of(kBlocked, has_kernel)) {
    FuseConv(program, graph, facts, files);
    AssignLayouts(program, graph, facts, files);
    if (has_kernel("PointwiseDepthwiseConv")) FusePointwise(program, graph);
  }
}

}  // namespace

void Prepare(Program& program, onnx::ExternalFiles& files, const HasKernel& has_kernel,
             bool in_bfloat16) {
  bool is_valid = true;
  ForEachNode(program.main,
              [&](const ProgramNode& node) { is_valid = is_valid && HasOperands(node); });
  // What isn't valid is the engine's to refuse.
  if (!is_valid) return;
  Facts facts(program, files);
  ForEachGraph(program.main, [&](ProgramGraph& graph) {
    DropIdentities(program, graph, facts, files);
    FoldConstants(program, graph, facts);
  });
  SeparateConstants(program, facts);
  ForEachGraph(program.main, [&](ProgramGraph& graph) {
    Fuse(program, graph, facts, files, has_kernel, in_bfloat16);
  });
  JoinConstants(program);
  DropDeadNodes(program.main);
}

}  // namespace ephemeralml::decompose
