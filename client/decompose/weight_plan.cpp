#include "client/decompose/weight_plan.h"

#include <algorithm>
#include <unordered_map>

#include "client/decompose/check_support.h"
#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/pack_weight.h"
#include "common/base/checked.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::decompose {
namespace {

struct Use {
  ValueId value = 0;
  const ProgramNode* node = nullptr;
  size_t input = 0;
  size_t count = 0;  ///< of all uses; the fields above are of the first
};

// In the order of first use.
std::vector<Use> FindUses(const Program& program) {
  std::vector<Use> uses;
  std::unordered_map<ValueId, size_t> positions;
  ForEachNode(program.main, [&](const ProgramNode& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId value = node.inputs[i];
      if (!program.constants.contains(value)) continue;
      const auto position = positions.emplace(value, uses.size()).first->second;
      if (position == uses.size()) uses.push_back({value, &node, i, 0});
      ++uses[position].count;
    }
  });
  return uses;
}

// True if the weight is nothing but the right factor of one matrix product, as [K, N].
bool IsRightFactor(const Use& use, const onnx::Tensor& tensor) {
  if (use.count != 1 || tensor.dims.size() != 2 || !use.node->domain.empty()) return false;
  const std::string_view op = use.node->op;
  if (op == "QLinearMatMul") return use.input == 3;
  if (use.input != 1) return false;
  return op == "MatMul" || op == "MatMulInteger" ||
         (op == "Gemm" && IntAttribute(*use.node, "transB").value_or(0) == 0);
}

PanelLayout LayoutOf(const Use& use, const onnx::Tensor& tensor, const PackedTypes& types) {
  const bool is_factor = (use.input == 1 && IsOwn(*use.node, "MatMul")) ||
                         (use.input > 0 && IsOwn(*use.node, "MatMuls"));
  if (is_factor) {
    return types.in_bfloat16 ? PanelLayout::kMatrixPairs : PanelLayout::kMatrixPanels;
  }
  const bool takes_both = IsOwn(*use.node, "PointwiseDepthwiseConv");
  if (use.input == 1 && (takes_both || IsOwn(*use.node, "Conv"))) return PanelLayout::kConvPanels;
  if (use.input == 1 && IsOwn(*use.node, "DepthwiseConv")) return PanelLayout::kDepthwisePanels;
  if (use.input == 2 && takes_both) return PanelLayout::kDepthwisePanels;
  return IsRightFactor(use, tensor) ? PanelLayout::kColumns : PanelLayout::kRows;
}

bool IsInline(const PlannedWeight& weight) {
  const bool is_small_kind = weight.type == wire::ElementType::kInt32 ||
                             weight.type == wire::ElementType::kInt64 ||
                             weight.type == wire::ElementType::kBool;
  return is_small_kind &&
         weight.byte_count <= kMostInlineElements * wire::ElementBytes(weight.type);
}

uint64_t ExtentOf(const PlannedWeight& weight) {
  const auto& dims = weight.tensor->dims;
  if (dims.empty() || weight.byte_count == 0) return 1;
  const auto length =
      static_cast<uint64_t>(weight.layout == PanelLayout::kColumns ? dims[1] : dims[0]);
  uint64_t extent = std::max<uint64_t>(1, kPanelBytes / (weight.byte_count / length));
  if (weight.layout == PanelLayout::kColumns && extent > kPanelColumns) {
    extent -= extent % kPanelColumns;
  }
  return std::min(extent, length);
}

Result<uint64_t> CheckedByteCount(const Constant& constant, onnx::ExternalFiles& files) {
  const auto& derivation = constant.tensor->derivation;
  auto data =
      onnx::ReadTensorData(derivation != nullptr ? derivation->source : *constant.tensor, files);
  if (data && derivation != nullptr) return onnx::ByteCount(*constant.tensor);
  if (data) return data->bytes().size();
  Error error = std::move(data).error();
  if (constant.tensor->name.empty()) error.what += ", in '" + std::string(constant.name) + "'";
  return error;
}

// Its bias is read, too, so that sealing can't fail on it.
Done PlanPanels(PlannedWeight& weight, onnx::ExternalFiles& files) {
  CHECK(weight.packing != nullptr);
  if (weight.packing->bias != nullptr) TRY_OK(onnx::ReadTensorData(*weight.packing->bias, files));
  weight.packed = PackedShapeOf(weight.tensor->dims, weight.packing->transposed,
                                weight.packing->bias != nullptr);
  uint64_t element_bytes = wire::ElementBytes(weight.storage);
  if (weight.layout == PanelLayout::kMatrixPairs) {
    weight.packed.steps = (weight.packed.steps + 1) / 2;
    element_bytes *= 2;
  }
  weight.byte_count = weight.packed.OffsetOf(weight.packed.panel_count()) * element_bytes;
  return {};
}

}  // namespace

bool IsPacked(const PlannedWeight& weight) {
  return weight.layout != PanelLayout::kRows && weight.layout != PanelLayout::kColumns;
}

Result<WeightPlan> PlanWeights(const Program& program, onnx::ExternalFiles& files,
                               const PackedTypes& types) {
  WeightPlan plan;
  for (const Use& use : FindUses(program)) {
    const Constant& constant = program.constants.at(use.value);
    PlannedWeight weight;
    weight.value = use.value;
    weight.tensor = constant.tensor;
    weight.type = onnx::TypeOf(*constant.tensor);
    TRY(weight.byte_count, CheckedByteCount(constant, files));
    weight.is_inline = IsInline(weight);
    if (weight.byte_count > 0 && !weight.is_inline) {
      weight.layout = LayoutOf(use, *constant.tensor, types);
    }
    const auto packing = program.packings.find(use.value);
    if (packing != program.packings.end()) weight.packing = &packing->second;
    if (IsPacked(weight)) {
      weight.storage =
          weight.layout == PanelLayout::kMatrixPairs ? wire::ElementType::kBfloat16 : types.storage;
      TRY_OK(PlanPanels(weight, files));
    } else {
      weight.panel_extent = ExtentOf(weight);
    }
    if (!weight.is_inline) {
      constexpr uint64_t kMask = wire::kWeightAlignment - 1;
      TRY(const uint64_t aligned, CheckedAdd(plan.plaintext_bytes, kMask));
      weight.offset = aligned & ~kMask;
      TRY(plan.plaintext_bytes, CheckedAdd(weight.offset, weight.byte_count));
    }
    plan.weights.push_back(weight);
  }
  return plan;
}

}  // namespace ephemeralml::decompose
