#include "client/cli/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ephemeralml::cli {
namespace {

float ElementAt(const tensors::NamedTensor& tensor, size_t index) {
  float value;
  std::memcpy(&value, tensor.data.Reveal().data() + index * sizeof value, sizeof value);
  return value;
}

Difference DifferenceOf(const tensors::NamedTensor& ours, const tensors::NamedTensor& reference) {
  Difference difference{ours.name};
  for (size_t i = 0; i < ours.data.size() / sizeof(float); ++i) {
    const double theirs = ElementAt(reference, i);
    const double apart = std::fabs(ElementAt(ours, i) - theirs);
    difference.largest = std::isnan(apart) ? std::numeric_limits<double>::infinity()
                                           : std::max(difference.largest, apart);
    difference.largest_reference = std::max(difference.largest_reference, std::fabs(theirs));
    if (std::isinf(difference.largest)) break;
  }
  return difference;
}

}  // namespace

Result<std::vector<Difference>> Compare(const std::vector<tensors::NamedTensor>& outputs,
                                        const std::vector<tensors::NamedTensor>& reference) {
  std::vector<Difference> differences;
  for (const tensors::NamedTensor& ours : outputs) {
    const auto theirs = std::ranges::find(reference, ours.name, &tensors::NamedTensor::name);
    if (theirs == reference.end() || theirs->type != ours.type || theirs->shape != ours.shape) {
      return Error{
          Code::kInvalidArgument, "comparison_mismatch",
          "what is compared with has no output '" + ours.name + "' of the same type and shape"};
    }
    if (ours.type == wire::ElementType::kFloat) differences.push_back(DifferenceOf(ours, *theirs));
  }
  return differences;
}

}  // namespace ephemeralml::cli
