#include "tests/conformance/compare.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "common/wire/narrow_float.h"
#include "enclave/engine/kernels/half.h"

namespace ephemeralml::conformance {
namespace {

using wire::ElementType;

constexpr double kRelative = 1e-3;
constexpr double kAbsolute = 1e-7;

template <class T>
std::vector<double> Read(ByteSpan bytes) {
  std::vector<double> numbers;
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    if constexpr (std::is_floating_point_v<T>) {
      numbers.push_back(value);
    } else {
      numbers.push_back(value.ToFloat());
    }
  }
  return numbers;
}

std::vector<double> Numbers(const Value& value) {
  const ByteSpan bytes = value.data.Reveal();
  switch (value.type) {
    case ElementType::kFloat:
      return Read<float>(bytes);
    case ElementType::kDouble:
      return Read<double>(bytes);
    case ElementType::kFloat16:
      return Read<engine::Half>(bytes);
    default:
      return Read<engine::Bfloat16>(bytes);
  }
}

bool IsFloat(ElementType type) {
  return type == ElementType::kFloat || type == ElementType::kDouble ||
         type == ElementType::kFloat16 || type == ElementType::kBfloat16;
}

bool IsClose(double expected, double given) {
  if (std::isnan(expected) || std::isnan(given)) return std::isnan(expected) && std::isnan(given);
  if (std::isinf(expected) || std::isinf(given)) return expected == given;
  return std::fabs(expected - given) <= kAbsolute + kRelative * std::fabs(expected);
}

// Floats of eight bits and less have nothing to round: they are the same code, or both no number.
bool IsSameCode(ElementType type, uint8_t expected, uint8_t given) {
  if (expected == given) return true;
  const auto& values = wire::ValuesOf(type);
  return std::isnan(values[expected]) && std::isnan(values[given]);
}

std::string ElementsDiffer(const Value& expected, const Value& given) {
  if (wire::IsSmallFloat(expected.type)) {
    const bool same =
        std::ranges::equal(expected.data.Reveal(), given.data.Reveal(),
                           [&](uint8_t a, uint8_t b) { return IsSameCode(expected.type, a, b); });
    return same ? "" : "elements differ";
  }
  if (!IsFloat(expected.type)) {
    const bool equal = std::ranges::equal(expected.data.Reveal(), given.data.Reveal());
    return equal ? "" : "elements differ";
  }
  const std::vector<double> wanted = Numbers(expected);
  const std::vector<double> got = Numbers(given);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (IsClose(wanted[i], got[i])) continue;
    return "element " + std::to_string(i) + " of " + std::to_string(wanted.size()) + ": expected " +
           std::to_string(wanted[i]) + ", given " + std::to_string(got[i]);
  }
  return "";
}

std::string SequencesDiffer(const Value& expected, const Value& given) {
  if (expected.elements.size() != given.elements.size()) {
    return "a sequence of " + std::to_string(given.elements.size()) + " for one of " +
           std::to_string(expected.elements.size());
  }
  for (size_t i = 0; i < expected.elements.size(); ++i) {
    const std::string difference = Difference(expected.elements[i], given.elements[i]);
    if (!difference.empty()) return "element " + std::to_string(i) + ": " + difference;
  }
  return "";
}

std::string Describe(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) text += (text.size() > 1 ? "," : "") + std::to_string(extent);
  return text + "]";
}

}  // namespace

std::string Difference(const Value& expected, const Value& given) {
  if (expected.kind != given.kind) return "another kind of value";
  if (expected.kind == wire::ValueKind::kSequence) return SequencesDiffer(expected, given);
  if (expected.kind == wire::ValueKind::kNothing) return "";
  if (expected.type != given.type) {
    return "type " + std::string(wire::Name(given.type)) + " for " +
           std::string(wire::Name(expected.type));
  }
  if (expected.shape != given.shape) {
    return "shape " + Describe(given.shape) + " for " + Describe(expected.shape);
  }
  if (IsFloat(expected.type) && expected.data.size() != given.data.size()) return "sizes differ";
  return ElementsDiffer(expected, given);
}

}  // namespace ephemeralml::conformance
