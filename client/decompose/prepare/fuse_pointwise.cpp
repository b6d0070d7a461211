#include <algorithm>
#include <array>

#include "client/decompose/prepare/layout_rules.h"
#include "client/decompose/prepare/match.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"
#include "common/wire/packed_layout.h"

namespace ephemeralml::decompose {
namespace {

struct Renamed {
  std::string_view name;
  std::string_view by;
};

// All that a convolution of one tap says of itself, for its window is as by default.
constexpr auto kNames = std::to_array<Renamed>({{"activation", "pointwise_activation"},
                                                {"activation_alpha", "pointwise_activation_alpha"},
                                                {"activation_beta", "pointwise_activation_beta"}});

// A depthwise convolution of ours, of filters that aren't too large.
bool IsDepthwise(const Program& program, const ProgramNode& conv) {
  if (!IsOwn(conv, "DepthwiseConv") || InputOf(conv, 2) != 0) return false;
  const auto& dims = program.constants.at(conv.inputs[1]).tensor->dims;
  const wire::PackedShape filters = {.columns = static_cast<uint64_t>(dims[0]),
                                     .steps = static_cast<uint64_t>(dims[2] * dims[3]),
                                     .has_bias = true};
  const int64_t dilation = IntsAttribute(conv, "dilations").value_or(std::vector<int64_t>{1})[0];
  return filters.OffsetOf(filters.panel_count()) * sizeof(float) <= wire::kMostFilterBytes &&
         std::max(dims[2], dilation) <= wire::kMostFilterLines &&
         (dims[2] - 1) * dilation < wire::kMostFilterLines;
}

// A convolution of ours of one tap, over a blocked tensor of not too many channels, of whose result
// nothing is wanted but what a depthwise convolution makes of it.
bool IsPointwise(const Program& program, const ProgramNode& conv) {
  if (!IsOwn(conv, "Conv") || InputOf(conv, 2) != 0) return false;
  const auto& dims = program.constants.at(conv.inputs[1]).tensor->dims;
  const bool is_blocked = dims[1] >= kLanes && dims[1] <= wire::kMostPointwiseChannels;
  return is_blocked && dims[2] == 1 && dims[3] == 1;
}

}  // namespace

void FusePointwise(Program& program, ProgramGraph& graph) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (!IsDepthwise(program, node)) return;
    const ProgramNode* conv = rewriter.Producer(node.inputs[0]);
    if (conv == nullptr || !IsPointwise(program, *conv)) return;
    if (rewriter.OnlyUser(node.inputs[0]) != &node) return;
    std::vector<ValueId> inputs = {conv->inputs[0], conv->inputs[1], node.inputs[1]};
    if (const ValueId numbers = InputOf(node, 3); numbers != 0) inputs.push_back(numbers);
    std::vector<ProgramAttribute> attributes = node.attributes;
    for (const auto& [name, value] : conv->attributes) {
      const auto* of_pointwise = std::ranges::find(kNames, name, &Renamed::name);
      if (of_pointwise == kNames.end()) return;
      attributes.push_back({of_pointwise->by, value});
    }
    rewriter.Replace(&node, OwnNode("PointwiseDepthwiseConv", std::move(inputs), node.outputs[0],
                                    std::move(attributes)));
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
