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

// By name: a plan looks one up for each node.
const auto& Table() {
  static const auto table = [] {
    auto entries = std::to_array<Entry>({
#define OPERATOR(domain, name, first, last, maker) {domain, name, first, last, maker},
#include "common/operators/operators.inc"
#undef OPERATOR
    });
    std::ranges::sort(entries, {}, &Entry::op);
    return entries;
  }();
  return table;
}

}  // namespace

Result<KernelMaker> FindKernel(std::string_view domain, std::string_view op, int64_t opset) {
  if (domain == "ai.onnx") domain = "";
  const auto& table = Table();
  auto entry = std::ranges::lower_bound(table, op, {}, &Entry::op);
  const auto takes = [&] {
    return entry->domain == domain && entry->first_opset <= opset && opset <= entry->last_opset;
  };
  while (entry != table.end() && entry->op == op && !takes()) ++entry;
  if (entry == table.end() || entry->op != op) {
    return Error{
        Code::kUnsupported, "operator_unsupported",
        "the engine has no operator " + std::string(op) + " of opset " + std::to_string(opset)};
  }
  return entry->maker;
}

}  // namespace ephemeralml::engine::kernels
