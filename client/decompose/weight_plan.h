#pragma once
// Where each weight will lie: in the order in which execution first uses it, cut into panels as the
// kernels take them. Format: docs/formats/weight_blob.md.

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"
#include "common/base/result.h"
#include "common/wire/data_type.h"
#include "common/wire/packed_layout.h"

namespace ephemeralml::decompose {

/// A panel takes at most this, unless one row or column alone takes more. 48 columns of 384 floats:
/// measured to be flat from 36 to 288 KiB, and small is what we want to have open.
inline constexpr uint64_t kPanelBytes = 72 * 1024;
/// Column panels are whole vectors wide where they are wide at all.
inline constexpr uint64_t kPanelColumns = 16;

/// All but the first two are packed: docs/formats/weight_blob.md.
enum class PanelLayout {
  kRows,
  kColumns,
  kMatrixPanels,
  kConvPanels,
  kDepthwisePanels,
  kMatrixPairs,
};

/// How packed weights are stored, and what products with packed matrices multiply in.
struct PackedTypes {
  wire::ElementType storage = wire::ElementType::kFloat;
  bool in_bfloat16 = false;
};

struct PlannedWeight {
  ValueId value = 0;
  const onnx::Tensor* tensor = nullptr;
  wire::ElementType type = wire::ElementType::kUndefined;
  bool is_inline = false;  ///< a few integers: they lie in the topology key
  PanelLayout layout = PanelLayout::kRows;
  uint64_t offset = 0;
  uint64_t byte_count = 0;
  uint64_t panel_extent = 1;
  wire::PackedShape packed;                                   ///< of packed layouts
  wire::ElementType storage = wire::ElementType::kUndefined;  ///< of packed layouts
  const Packing* packing = nullptr;  ///< of packed layouts: what is sealed with the weight
};

/// True if the weight's panels are described by `packed`.
bool IsPacked(const PlannedWeight& weight);

struct WeightPlan {
  std::vector<PlannedWeight> weights;
  uint64_t plaintext_bytes = 0;  ///< with the gaps that alignment leaves
};

/// Needs a program whose dead nodes are gone. Reads every weight once, so that none can fail later.
/// Errors: those of onnx::ReadTensorData.
Result<WeightPlan> PlanWeights(const Program& program, onnx::ExternalFiles& files,
                               const PackedTypes& types = {});

}  // namespace ephemeralml::decompose
