#include <algorithm>
#include <limits>

#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

constexpr Size kOne = {.value = 1, .symbol = 0};

// The product of sizes: a number times symbols.
struct Product {
  int64_t number = 1;
  std::vector<uint32_t> symbols;
  bool overflows = false;

  void Multiply(Size size) {
    if (!size.IsKnown()) {
      symbols.push_back(size.symbol);
    } else if (__builtin_mul_overflow(number, size.value, &number)) {
      overflows = true;
    }
  }
};

Size Divide(Facts& facts, Product whole, const Product& by) {
  const bool is_sane = !whole.overflows && !by.overflows && by.number > 0;
  if (!is_sane || whole.number % by.number != 0) return facts.NewSymbol();
  for (const uint32_t symbol : by.symbols) {
    const auto found = std::ranges::find(whole.symbols, symbol);
    if (found == whole.symbols.end()) return facts.NewSymbol();
    whole.symbols.erase(found);
  }
  const int64_t number = whole.number / by.number;
  if (whole.symbols.empty()) return {.value = number, .symbol = 0};
  if (whole.symbols.size() == 1 && number == 1) return {.value = 0, .symbol = whole.symbols[0]};
  return facts.NewSymbol();
}

MaybeShape ReshapeShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  const Elements* target = facts.ElementsOf(InputOf(node, 1));
  if (facts.opset() < 5 || target == nullptr || target->dims.size() != 1) return std::nullopt;
  const bool zero_is_zero = IntAttribute(node, "allowzero").value_or(0) != 0;
  SizeList shape;
  std::optional<size_t> inferred;
  Product given;
  for (size_t i = 0; i < target->values.size(); ++i) {
    Size size = target->values[i];
    if (size.symbol == Size::kAnything) size = facts.NewSymbol();
    if (size.value < -1) return std::nullopt;
    if (size.Is(0) && !zero_is_zero) {
      if (i >= in.size()) return std::nullopt;
      size = in[i];
    }
    if (size.Is(-1)) {
      if (inferred) return std::nullopt;
      inferred = i;
    } else {
      given.Multiply(size);
    }
    shape.push_back(size);
  }
  if (inferred) {
    Product whole;
    for (const Size& size : in) whole.Multiply(size);
    shape[*inferred] = Divide(facts, whole, given);
  }
  return shape;
}

MaybeShape FlattenShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  int64_t axis = IntAttribute(node, "axis").value_or(1);
  const auto rank = static_cast<int64_t>(in.size());
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) return std::nullopt;
  Product before;
  Product after;
  for (int64_t i = 0; i < rank; ++i)
    (i < axis ? before : after).Multiply(in[static_cast<size_t>(i)]);
  return SizeList{Divide(facts, before, {}), Divide(facts, after, {})};
}

MaybeShape SqueezeShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  bool is_unknown = false;
  const auto axes = AxesOf(facts, node, 13, is_unknown);
  if (is_unknown || !axes) return std::nullopt;
  std::vector<bool> gone(in.size());
  for (const int64_t axis : *axes) {
    const auto place = AxisOf(axis, in.size());
    if (!place) return std::nullopt;
    gone[*place] = true;
  }
  SizeList shape;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!gone[i]) shape.push_back(in[i]);
  }
  return shape;
}

MaybeShape UnsqueezeShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  bool is_unknown = false;
  const auto axes = AxesOf(facts, node, 13, is_unknown);
  if (is_unknown || !axes) return std::nullopt;
  const size_t rank = in.size() + axes->size();
  std::vector<bool> added(rank);
  for (const int64_t axis : *axes) {
    const auto place = AxisOf(axis, rank);
    if (!place || added[*place]) return std::nullopt;
    added[*place] = true;
  }
  SizeList shape;
  auto next = in.begin();
  for (size_t i = 0; i < rank; ++i) shape.push_back(added[i] ? kOne : *next++);
  return shape;
}

MaybeShape TransposeShape(const ProgramNode& node, const SizeList& in) {
  const auto order = IntsAttribute(node, "perm");
  if (!order) return SizeList(in.rbegin(), in.rend());
  if (order->size() != in.size()) return std::nullopt;
  SizeList shape;
  for (const int64_t axis : *order) {
    if (axis < 0 || axis >= static_cast<int64_t>(in.size())) return std::nullopt;
    shape.push_back(in[static_cast<size_t>(axis)]);
  }
  return shape;
}

MaybeShape ConcatShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  const auto axis =
      AxisOf(IntAttribute(node, "axis").value_or(facts.opset() < 4 ? 1 : 0), in.size());
  if (!axis) return std::nullopt;
  SizeList shape = in;
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const SizeList* next = facts.ShapeOf(node.inputs[i]);
    if (next == nullptr || next->size() != in.size()) return std::nullopt;
    Size& sum = shape[*axis];
    const Size more = (*next)[*axis];
    int64_t total = 0;
    const bool is_known =
        sum.IsKnown() && more.IsKnown() && !__builtin_add_overflow(sum.value, more.value, &total);
    sum = is_known ? Size{.value = total, .symbol = 0} : facts.NewSymbol();
  }
  return shape;
}

MaybeShape GatherShape(const Facts& facts, const ProgramNode& node, const SizeList& in) {
  const SizeList* indices = facts.ShapeOf(InputOf(node, 1));
  const auto axis = AxisOf(IntAttribute(node, "axis").value_or(0), in.size());
  if (indices == nullptr || !axis) return std::nullopt;
  const auto place = static_cast<ptrdiff_t>(*axis);
  SizeList shape(in.begin(), in.begin() + place);
  shape.insert(shape.end(), indices->begin(), indices->end());
  shape.insert(shape.end(), in.begin() + place + 1, in.end());
  return shape;
}

// What is left of an axis of which elements from `begin` to `end`, each `step`-th, are taken.
Size SlicedSize(Facts& facts, Size in, Size begin, Size end, Size step) {
  if (!step.Is(1) || !begin.IsKnown()) return facts.NewSymbol();
  const bool is_whole = end.IsKnown() && end.value >= std::numeric_limits<int32_t>::max();
  if (begin.Is(0) && is_whole) return in;
  if (!in.IsKnown() || in.value < 0) return facts.NewSymbol();
  if (begin.Is(0) && in.value > 0 && !end.IsKnown() && end.symbol != Size::kAnything) {
    return facts.NewClipped(end);
  }
  if (!end.IsKnown()) return facts.NewSymbol();
  const auto clamped = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + in.value : at, 0, in.value);
  };
  const int64_t count = clamped(end.value) - clamped(begin.value);
  return {.value = std::max<int64_t>(count, 0), .symbol = 0};
}

MaybeShape SliceShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  const auto cuts = CutsOf(facts, node);
  if (!cuts) return std::nullopt;
  SizeList shape = in;
  for (const Cut& cut : *cuts) {
    const auto place = AxisOf(cut.axis, in.size());
    if (!place) return std::nullopt;
    shape[*place] = SlicedSize(facts, in[*place], cut.begin, cut.end, cut.step);
  }
  return shape;
}

MaybeShape ExpandShape(Facts& facts, const ProgramNode& node, const SizeList& in) {
  const Elements* target = facts.ElementsOf(InputOf(node, 1));
  if (target == nullptr || target->dims.size() != 1) return std::nullopt;
  SizeList shape(std::max(in.size(), target->values.size()), kOne);
  std::ranges::copy_backward(in, shape.end());
  const size_t ahead = shape.size() - target->values.size();
  for (size_t i = 0; i < target->values.size(); ++i) {
    Size& size = shape[ahead + i];
    const Size wanted = target->values[i];
    if (wanted.value < 0) return std::nullopt;
    size = wanted.symbol == Size::kAnything ? facts.NewSymbol() : facts.Broadcast(size, wanted);
  }
  return shape;
}

}  // namespace

MaybeShape MovedShape(Facts& facts, const ProgramNode& node) {
  const SizeList* in = facts.ShapeOf(InputOf(node, 0));
  if (in == nullptr) return std::nullopt;
  if (node.op == "Reshape") return ReshapeShape(facts, node, *in);
  if (node.op == "Flatten") return FlattenShape(facts, node, *in);
  if (node.op == "Squeeze") return SqueezeShape(facts, node, *in);
  if (node.op == "Unsqueeze") return UnsqueezeShape(facts, node, *in);
  if (node.op == "Transpose") return TransposeShape(node, *in);
  if (node.op == "Concat") return ConcatShape(facts, node, *in);
  if (node.op == "Gather") return GatherShape(facts, node, *in);
  if (node.op == "Slice") return SliceShape(facts, node, *in);
  if (node.op == "Expand") return ExpandShape(facts, node, *in);
  return std::nullopt;
}

}  // namespace ephemeralml::decompose
