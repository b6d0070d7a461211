#include "client/decompose/prepare/window.h"

#include <algorithm>

namespace ephemeralml::decompose {
namespace {

constexpr size_t kAxes = 2;

// What a node says, or what it means by saying nothing; none if it isn't of that length.
std::optional<std::vector<int64_t>> Given(const ProgramNode& node, std::string_view name,
                                          size_t count, int64_t otherwise) {
  auto values = IntsAttribute(node, name).value_or(std::vector<int64_t>(count, otherwise));
  const auto is_bad = [&](int64_t value) { return value < otherwise; };
  if (values.size() != count || std::ranges::any_of(values, is_bad)) return std::nullopt;
  return values;
}

// Padding that keeps the size, at stride 1. Source: ONNX operator Conv, attribute auto_pad.
std::optional<std::vector<int64_t>> SamePads(std::string_view kind,
                                             const std::vector<int64_t>& kernel,
                                             const std::vector<int64_t>& strides,
                                             const std::vector<int64_t>& dilations) {
  std::vector<int64_t> pads(2 * kAxes);
  for (size_t i = 0; i < kAxes; ++i) {
    if (strides[i] != 1) return std::nullopt;
    const int64_t total = dilations[i] * (kernel[i] - 1);
    const int64_t smaller = total / 2;
    pads[i] = kind == "SAME_UPPER" ? smaller : total - smaller;
    pads[kAxes + i] = total - pads[i];
  }
  return pads;
}

}  // namespace

std::optional<std::vector<ProgramAttribute>> ResolvedWindow(const ProgramNode& node,
                                                            const std::vector<int64_t>& kernel) {
  if (kernel.size() != kAxes || IntsAttribute(node, "kernel_shape").value_or(kernel) != kernel) {
    return std::nullopt;
  }
  const auto strides = Given(node, "strides", kAxes, 1);
  const auto dilations = Given(node, "dilations", kAxes, 1);
  auto pads = Given(node, "pads", 2 * kAxes, 0);
  if (!strides || !dilations || !pads) return std::nullopt;
  const std::string_view kind = StringAttribute(node, "auto_pad").value_or("NOTSET");
  if (kind == "VALID") {
    pads->assign(2 * kAxes, 0);
  } else if (kind == "SAME_UPPER" || kind == "SAME_LOWER") {
    pads = SamePads(kind, kernel, *strides, *dilations);
    if (!pads) return std::nullopt;
  } else if (kind != "NOTSET") {
    return std::nullopt;
  }
  std::vector<ProgramAttribute> attributes;
  const auto add = [&](std::string_view name, const std::vector<int64_t>& values, int64_t usual) {
    const bool is_usual = std::ranges::all_of(values, [=](int64_t v) { return v == usual; });
    if (!is_usual) attributes.push_back({name, values});
  };
  add("strides", *strides, 1);
  add("pads", *pads, 0);
  add("dilations", *dilations, 1);
  return attributes;
}

}  // namespace ephemeralml::decompose
