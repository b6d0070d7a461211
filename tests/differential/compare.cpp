#include "tests/differential/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ephemeralml::differential {
namespace {

constexpr double kAbsolute = 2e-5;
constexpr double kRelative = 2e-4;

std::string Text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? "," : "") + std::to_string(size);
  return text + "]";
}

template <class T>
T At(const Bytes& bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
std::string CompareValues(const NamedTensor& ours, const NamedTensor& theirs, double absolute,
                          double relative) {
  // Sums of large numbers leave errors of their own size in small results.
  double largest = 0;
  for (size_t i = 0; i < theirs.data.size() / sizeof(T); ++i) {
    const auto value = static_cast<double>(At<T>(theirs.data, i));
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  const double allowed = absolute + (relative > 0 ? 1e-6 * largest : 0);
  for (size_t i = 0; i < theirs.data.size() / sizeof(T); ++i) {
    const auto a = static_cast<double>(At<T>(ours.data, i));
    const auto b = static_cast<double>(At<T>(theirs.data, i));
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (std::abs(a - b) <= allowed + relative * std::abs(b)) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(a) + ", theirs " +
           std::to_string(b);
  }
  return "";
}

}  // namespace

std::string Difference(const NamedTensor& ours, const NamedTensor& theirs, bool rounds) {
  using wire::ElementType;
  if (ours.type != theirs.type) {
    return "type " + std::string(wire::Name(ours.type)) + ", theirs " +
           std::string(wire::Name(theirs.type));
  }
  if (ours.shape != theirs.shape) {
    return "shape " + Text(ours.shape) + ", theirs " + Text(theirs.shape);
  }
  if (ours.data.size() != theirs.data.size()) return "another number of bytes";
  switch (ours.type) {
    case ElementType::kFloat:
      return CompareValues<float>(ours, theirs, kAbsolute, kRelative);
    case ElementType::kDouble:
      return CompareValues<double>(ours, theirs, kAbsolute, kRelative);
    case ElementType::kInt8:
      return CompareValues<int8_t>(ours, theirs, rounds ? 1 : 0, 0);
    case ElementType::kUint8:
      return CompareValues<uint8_t>(ours, theirs, rounds ? 1 : 0, 0);
    default:
      return ours.data == theirs.data ? "" : "elements";
  }
}

}  // namespace ephemeralml::differential
