#include "client/decompose/prepare/element_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

using wire::ElementType;
using MaybeElements = std::optional<Elements>;

constexpr Size kAnything = {.value = 0, .symbol = Size::kAnything};

bool IsSmall(const Elements& elements) { return elements.values.size() <= kMostFollowedElements; }

MaybeElements ListOf(SizeList values) {
  return Elements{ElementType::kInt64, {static_cast<int64_t>(values.size())}, std::move(values)};
}

MaybeElements ShapeElements(const Facts& facts, const ProgramNode& node) {
  const SizeList* shape = facts.ShapeOf(InputOf(node, 0));
  if (shape == nullptr) return std::nullopt;
  const auto rank = static_cast<int64_t>(shape->size());
  const auto place = [&](int64_t at) {
    return static_cast<ptrdiff_t>(std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank));
  };
  const bool has_bounds = facts.opset() >= 15;
  const auto begin = place(has_bounds ? IntAttribute(node, "start").value_or(0) : 0);
  const auto end = place(has_bounds ? IntAttribute(node, "end").value_or(rank) : rank);
  if (begin >= end) return ListOf({});
  return ListOf(SizeList(shape->begin() + begin, shape->begin() + end));
}

// A new shape for the same elements.
MaybeElements Reshaped(const Facts& facts, const ProgramNode& node, const Elements& in) {
  const SizeList* shape = facts.ShapeOf(node.outputs[0]);
  if (shape == nullptr) return std::nullopt;
  Elements out{in.type, {}, in.values};
  int64_t count = 1;
  for (const Size& size : *shape) {
    if (!size.IsKnown() || size.value < 0) return std::nullopt;
    out.dims.push_back(size.value);
    if (__builtin_mul_overflow(count, size.value, &count)) return std::nullopt;
  }
  if (!std::cmp_equal(count, out.values.size())) return std::nullopt;
  return out;
}

MaybeElements GatherElements(const Facts& facts, const ProgramNode& node, const Elements& in) {
  const Elements* indices = facts.ElementsOf(InputOf(node, 1));
  if (indices == nullptr || in.dims.size() != 1) return std::nullopt;
  if (!AxisOf(IntAttribute(node, "axis").value_or(0), 1)) return std::nullopt;
  Elements out{in.type, indices->dims, {}};
  for (const Size& index : indices->values) {
    const auto place = index.IsKnown() ? AxisOf(index.value, in.values.size()) : std::nullopt;
    if (!place) return std::nullopt;
    out.values.push_back(in.values[*place]);
  }
  return out;
}

MaybeElements ConcatElements(const Facts& facts, const ProgramNode& node) {
  Elements out;
  for (const ValueId input : node.inputs) {
    const SizeList* shape = facts.ShapeOf(input);
    if (shape == nullptr || shape->size() != 1 || !shape->front().IsKnown()) return std::nullopt;
    if (const Elements* part = facts.ElementsOf(input)) {
      if (out.type == ElementType::kUndefined) out.type = part->type;
      out.values.insert(out.values.end(), part->values.begin(), part->values.end());
    } else {
      const int64_t count = shape->front().value;
      if (count < 0 || std::cmp_greater(count, kMostFollowedElements)) return std::nullopt;
      out.values.insert(out.values.end(), static_cast<size_t>(count), kAnything);
    }
    if (!IsSmall(out)) return std::nullopt;
  }
  // Without a type, all of it is unknown anyway.
  if (out.type == ElementType::kUndefined) return std::nullopt;
  out.dims = {static_cast<int64_t>(out.values.size())};
  return out;
}

MaybeElements SliceElements(const Facts& facts, const ProgramNode& node, const Elements& in) {
  const auto cuts = CutsOf(facts, node);
  const SizeList* shape = facts.ShapeOf(node.outputs[0]);
  if (!cuts || cuts->size() != 1 || in.dims.size() != 1 || shape == nullptr) return std::nullopt;
  const Cut& cut = cuts->front();
  const bool is_plain = cut.begin.IsKnown() && cut.step.Is(1) && shape->size() == 1;
  if (!is_plain || !shape->front().IsKnown()) return std::nullopt;
  const auto length = static_cast<int64_t>(in.values.size());
  int64_t begin = cut.begin.value;
  begin = std::clamp<int64_t>(begin < 0 ? begin + length : begin, 0, length);
  const int64_t count = shape->front().value;
  if (count < 0 || count > length - begin) return std::nullopt;
  const auto first = in.values.begin() + begin;
  return Elements{in.type, {count}, SizeList(first, first + count)};
}

std::optional<int64_t> Compute(std::string_view op, int64_t a, int64_t b) {
  int64_t out = 0;
  if (op == "Add" && !__builtin_add_overflow(a, b, &out)) return out;
  if (op == "Sub" && !__builtin_sub_overflow(a, b, &out)) return out;
  if (op == "Mul" && !__builtin_mul_overflow(a, b, &out)) return out;
  // Of negative numbers nobody needs a quotient here, and how it rounds needn't be known.
  if (op == "Div" && a >= 0 && b > 0) return a / b;
  return std::nullopt;
}

bool Fits(ElementType type, int64_t number) {
  return type == ElementType::kInt64 || std::in_range<int32_t>(number);
}

MaybeElements ArithmeticElements(const Facts& facts, const ProgramNode& node, const Elements& a) {
  const Elements* b = facts.ElementsOf(InputOf(node, 1));
  if (b == nullptr || a.type != b->type) return std::nullopt;
  const bool a_is_one = a.values.size() == 1;
  const bool b_is_one = b->values.size() == 1;
  const bool is_even = a.dims == b->dims || (b_is_one && b->dims.size() <= a.dims.size()) ||
                       (a_is_one && a.dims.size() <= b->dims.size());
  if (!is_even) return std::nullopt;
  Elements out{a.type, a.dims == b->dims || b_is_one ? a.dims : b->dims, {}};
  // One element beside none makes none.
  const size_t count = a_is_one ? b->values.size() : a.values.size();
  for (size_t i = 0; i < count; ++i) {
    const Size left = a.values[a_is_one ? 0 : i];
    const Size right = b->values[b_is_one ? 0 : i];
    const bool is_known = left.IsKnown() && right.IsKnown();
    const auto number = is_known ? Compute(node.op, left.value, right.value) : std::nullopt;
    if (is_known && (!number || !Fits(a.type, *number))) return std::nullopt;
    out.values.push_back(is_known ? Size{.value = *number, .symbol = 0} : kAnything);
  }
  return out;
}

MaybeElements CastElements(const ProgramNode& node, const Elements& in) {
  const auto to = IntAttribute(node, "to").value_or(0);
  const bool is_long = to == static_cast<int64_t>(ElementType::kInt64);
  if (!is_long && to != static_cast<int64_t>(ElementType::kInt32)) return std::nullopt;
  Elements out = in;
  out.type = is_long ? ElementType::kInt64 : ElementType::kInt32;
  // No tensor that a worker has room for is longer than 32 bits can count.
  const auto fits = [&](const Size& size) {
    return is_long || !size.IsKnown() || std::in_range<int32_t>(size.value);
  };
  return std::ranges::all_of(out.values, fits) ? MaybeElements(out) : std::nullopt;
}

MaybeElements RangeElements(const Facts& facts, const ProgramNode& node) {
  const Elements* parts[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    parts[i] = facts.ElementsOf(InputOf(node, i));
    const bool is_number = parts[i] != nullptr && parts[i]->values.size() == 1 &&
                           parts[i]->values[0].IsKnown() && parts[i]->type == parts[0]->type;
    if (!is_number) return std::nullopt;
  }
  const int64_t step = parts[2]->values[0].value;
  const int64_t end = parts[1]->values[0].value;
  if (step <= 0) return std::nullopt;
  Elements out{parts[0]->type, {}, {}};
  for (int64_t at = parts[0]->values[0].value; at < end;) {
    out.values.push_back({.value = at, .symbol = 0});
    if (!IsSmall(out)) return std::nullopt;
    if (__builtin_add_overflow(at, step, &at)) return std::nullopt;
  }
  out.dims = {static_cast<int64_t>(out.values.size())};
  return out;
}

bool IsArithmetic(std::string_view op) {
  return op == "Add" || op == "Sub" || op == "Mul" || op == "Div";
}

// A whole number of at most 24 bits is the same as a float.
std::optional<float> CastFloat(const Facts& facts, const ProgramNode& node) {
  if (IntAttribute(node, "to").value_or(0) != static_cast<int64_t>(ElementType::kFloat)) {
    return std::nullopt;
  }
  if (const auto number = facts.FloatOf(InputOf(node, 0))) return number;
  const Elements* in = facts.ElementsOf(InputOf(node, 0));
  if (in == nullptr || in->values.size() != 1 || !in->values[0].IsKnown()) return std::nullopt;
  const int64_t number = in->values[0].value;
  if (number < -(1 << 24) || number > (1 << 24)) return std::nullopt;
  return static_cast<float>(number);
}

}  // namespace

MaybeElements OutputElements(const Facts& facts, const ProgramNode& node) {
  if (node.op == "Shape") return ShapeElements(facts, node);
  if (node.op == "Concat") return ConcatElements(facts, node);
  if (node.op == "Range") return RangeElements(facts, node);
  const Elements* in = facts.ElementsOf(InputOf(node, 0));
  if (in == nullptr) return std::nullopt;
  if (node.op == "Identity") return *in;
  if (node.op == "Cast") return CastElements(node, *in);
  if (node.op == "Gather") return GatherElements(facts, node, *in);
  if (node.op == "Slice") return SliceElements(facts, node, *in);
  if (node.op == "Reshape" || node.op == "Squeeze" || node.op == "Unsqueeze") {
    return Reshaped(facts, node, *in);
  }
  if (IsArithmetic(node.op)) return ArithmeticElements(facts, node, *in);
  return std::nullopt;
}

std::optional<float> OutputFloat(const Facts& facts, const ProgramNode& node) {
  if (node.op == "Cast") return CastFloat(facts, node);
  const auto a = facts.FloatOf(InputOf(node, 0));
  if (!a) return std::nullopt;
  const bool is_moved = node.op == "Identity" || node.op == "Reshape" || node.op == "Squeeze" ||
                        node.op == "Unsqueeze";
  if (is_moved) return a;
  if (node.op == "Sqrt") return std::sqrt(*a);
  if (node.op == "Reciprocal") return 1.0F / *a;
  if (node.op == "Neg") return -*a;
  const auto b = facts.FloatOf(InputOf(node, 1));
  if (!b) return std::nullopt;
  if (node.op == "Add") return *a + *b;
  if (node.op == "Sub") return *a - *b;
  if (node.op == "Mul") return *a * *b;
  if (node.op == "Div") return *a / *b;
  return std::nullopt;
}

}  // namespace ephemeralml::decompose
