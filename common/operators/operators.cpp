#include "common/operators/operators.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace ephemeralml::operators {
namespace {

constexpr auto kOperators = std::to_array<SupportedOperator>({
#define OPERATOR(domain, name, first, last, maker) {domain, name, first, last},
#include "common/operators/operators.inc"
#undef OPERATOR
});

constexpr auto kOrder = [](const SupportedOperator& a) {
  return std::tuple(a.domain, a.name, a.first_opset);
};
static_assert(std::ranges::is_sorted(kOperators, {}, kOrder));

}  // namespace

std::span<const SupportedOperator> All() { return kOperators; }

bool IsSupported(std::string_view domain, std::string_view name, int64_t opset) {
  if (domain == "ai.onnx") domain = "";
  return std::ranges::any_of(kOperators, [&](const SupportedOperator& op) {
    return op.domain == domain && op.name == name && op.first_opset <= opset &&
           opset <= op.last_opset;
  });
}

}  // namespace ephemeralml::operators
