#include "enclave/engine/kernels/table.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/operators/operators.h"

namespace ephemeralml::engine::kernels {

#define OPERATOR(domain, name, first, last, maker) \
  Result<std::unique_ptr<Kernel>> maker(const NodeSpec&);
#include "common/operators/operators.inc"
#undef OPERATOR

namespace {

using operators::kNewestOpset;

struct Entry {
  std::string_view domain;
  std::string_view op;
  int64_t first_opset;
  int64_t last_opset;
  KernelMaker maker;
};

constexpr auto kTable = std::to_array<Entry>({
#define OPERATOR(domain, name, first, last, maker) {domain, name, first, last, maker},
#include "common/operators/operators.inc"
#undef OPERATOR
});

}  // namespace

Result<KernelMaker> FindKernel(std::string_view domain, std::string_view op, int64_t opset) {
  if (domain == "ai.onnx") domain = "";
  const auto found = std::ranges::find_if(kTable, [&](const Entry& entry) {
    return entry.domain == domain && entry.op == op && entry.first_opset <= opset &&
           opset <= entry.last_opset;
  });
  if (found == kTable.end()) {
    return Error{
        Code::kUnsupported, "operator_unsupported",
        "the engine has no operator " + std::string(op) + " of opset " + std::to_string(opset)};
  }
  return found->maker;
}

}  // namespace ephemeralml::engine::kernels
