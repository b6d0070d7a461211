#pragma once
// Which operators the system runs. Client and enclave read the same list, operators.inc.

#include <cstdint>
#include <span>
#include <string_view>

namespace ephemeralml::operators {

/// The newest version of ai.onnx that models may import.
inline constexpr int64_t kNewestOpset = 27;

struct SupportedOperator {
  std::string_view domain;  ///< empty: ai.onnx
  std::string_view name;
  int64_t first_opset;
  int64_t last_opset;
};

/// All of them, sorted by domain, name and first version.
std::span<const SupportedOperator> All();

/// True if the operator runs in models that import `opset` of `domain`. "ai.onnx" is the same as
/// "".
bool IsSupported(std::string_view domain, std::string_view name, int64_t opset);

}  // namespace ephemeralml::operators
