#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

// One spatial axis of a convolution or pool.
struct Window {
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad = 0;  // on both sides together
  bool is_same = false;

  int64_t reach() const { return dilation * (kernel - 1); }
};

Size WindowCount(Facts& facts, Size in, const Window& window) {
  if (window.stride == 1 && (window.is_same || window.pad == window.reach())) return in;
  constexpr int64_t kMost = int64_t{1} << 40;
  if (!in.IsKnown() || in.value > kMost) return facts.NewSymbol();
  if (window.is_same) return {.value = (in.value + window.stride - 1) / window.stride, .symbol = 0};
  const int64_t room = in.value + window.pad - window.reach() - 1;
  return room < 0 ? facts.NewSymbol() : Size{.value = room / window.stride + 1, .symbol = 0};
}

// As an attribute gives it, or as it is by default.
std::vector<int64_t> Ints(const ProgramNode& node, std::string_view name, size_t count,
                          int64_t otherwise) {
  auto values = IntsAttribute(node, name).value_or(std::vector<int64_t>());
  if (values.empty()) values.assign(count, otherwise);
  return values;
}

// None: attributes that don't fit together, or sizes that are beyond sense.
std::optional<std::vector<Window>> WindowsOf(const ProgramNode& node,
                                             const std::vector<int64_t>& kernel) {
  constexpr int64_t kMost = 1 << 20;
  const size_t axes = kernel.size();
  const auto strides = Ints(node, "strides", axes, 1);
  const auto dilations = Ints(node, "dilations", axes, 1);
  const auto pads = Ints(node, "pads", 2 * axes, 0);
  if (strides.size() != axes || dilations.size() != axes || pads.size() != 2 * axes) {
    return std::nullopt;
  }
  const auto is_sane = [&](int64_t value, int64_t least) {
    return value >= least && value <= kMost;
  };
  const std::string_view padding = StringAttribute(node, "auto_pad").value_or("NOTSET");
  std::vector<Window> windows(axes);
  for (size_t i = 0; i < axes; ++i) {
    if (!is_sane(kernel[i], 1) || !is_sane(strides[i], 1) || !is_sane(dilations[i], 1) ||
        !is_sane(pads[i], 0) || !is_sane(pads[axes + i], 0)) {
      return std::nullopt;
    }
    const int64_t pad = padding == "NOTSET" ? pads[i] + pads[axes + i] : 0;
    windows[i] = {kernel[i], strides[i], dilations[i], pad, padding.starts_with("SAME")};
  }
  return windows;
}

MaybeShape SlideOver(Facts& facts, const ProgramNode& node, const SizeList& in, Size channels,
                     const std::vector<int64_t>& kernel) {
  if (in.size() != kernel.size() + 2) return std::nullopt;
  const auto windows = WindowsOf(node, kernel);
  if (!windows) return std::nullopt;
  const bool rounds_up = IntAttribute(node, "ceil_mode").value_or(0) != 0;
  SizeList shape = {in[0], channels};
  for (size_t i = 0; i < kernel.size(); ++i) {
    shape.push_back(rounds_up ? facts.NewSymbol() : WindowCount(facts, in[2 + i], (*windows)[i]));
  }
  return shape;
}

MaybeShape ConvShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  const SizeList* weight = facts.ShapeOf(InputOf(node, 1));
  if (weight == nullptr || weight->size() != in.size()) return std::nullopt;
  std::vector<int64_t> kernel;
  for (size_t i = 2; i < weight->size(); ++i) {
    if (!(*weight)[i].IsKnown()) return std::nullopt;
    kernel.push_back((*weight)[i].value);
  }
  return SlideOver(facts, node, in, (*weight)[0], kernel);
}

MaybeShape ResizeShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  const std::vector<float>* scales = facts.FloatsOf(InputOf(node, facts.opset() < 11 ? 1 : 2));
  if (InputOf(node, 3) != 0 || IntsAttribute(node, "axes")) scales = nullptr;
  SizeList shape(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const bool is_kept = scales != nullptr && scales->size() == in.size() && (*scales)[i] == 1.0F;
    shape[i] = is_kept ? in[i] : facts.NewSymbol();
  }
  return shape;
}

}  // namespace

MaybeShape WindowShape(Facts& facts, const ProgramNode& node) {
  const SizeList* in = facts.ShapeOf(InputOf(node, 0));
  if (in == nullptr || in->size() < 3) return std::nullopt;
  if (node.op == "Conv") return ConvShape(facts, node, *in);
  if (node.op == "MaxPool" || node.op == "AveragePool") {
    const auto kernel = IntsAttribute(node, "kernel_shape");
    return kernel ? SlideOver(facts, node, *in, (*in)[1], *kernel) : std::nullopt;
  }
  if (node.op == "Resize") return ResizeShape(facts, node, *in);
  if (node.op == "GlobalAveragePool" || node.op == "GlobalMaxPool") {
    SizeList shape(in->size(), {.value = 1, .symbol = 0});
    shape[0] = (*in)[0];
    shape[1] = (*in)[1];
    return shape;
  }
  return std::nullopt;
}

}  // namespace ephemeralml::decompose
