#include "client/decompose/decompose.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "client/decompose/atomic_file.h"
#include "client/decompose/check_support.h"
#include "client/decompose/expand/expand.h"
#include "client/decompose/onnx/expand_functions.h"
#include "client/decompose/onnx/read_model.h"
#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/pack_weight.h"
#include "client/decompose/prepare/prepare.h"
#include "client/decompose/program/order.h"
#include "client/decompose/program/resolve.h"
#include "client/decompose/topology_message.h"
#include "client/decompose/weight_plan.h"
#include "common/crypto/random.h"
#include "common/operators/operators.h"

namespace ephemeralml::decompose {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kSliceBytes = size_t{1} << 20;

// Forgets parts of the model that were sealed, so that their pages don't pile up in memory.
using ForgetFn = std::function<void(ByteSpan)>;

// All that can be known before a byte is sealed. Views the model's bytes.
struct Plan {
  onnx::Model model;
  Program program;
  WeightPlan weights;
};

bool HasOwnKernel(std::string_view op) {
  return operators::IsSupported(kOwnDomain, op, kOwnDomainVersion);
}

Result<Plan> MakePlan(ByteSpan model_bytes, onnx::ExternalFiles& files,
                      const DecomposeOptions& options) {
  Plan plan;
  TRY(plan.model, onnx::ReadModel(model_bytes));
  TRY_OK(onnx::ExpandFunctions(plan.model));
  TRY(plan.program, Resolve(plan.model));
  if (Expand(plan.program, files) > 0 && plan.program.opset == 0) {
    // What it was expanded to needs a version of ai.onnx, and the model imports none.
    plan.program.opset = operators::kNewestOpset;
    plan.model.operator_sets.push_back({"", plan.program.opset});
  }
  TRY_OK(OrderNodes(plan.program.main));
  DropDeadNodes(plan.program.main);
  TRY_OK(CheckSupport(plan.model, plan.program, files));
  const bool in_bfloat16 = options.compute == wire::ElementType::kBfloat16;
  if (options.preparation) Prepare(plan.program, files, HasOwnKernel, in_bfloat16);
  TRY(plan.weights, PlanWeights(plan.program, files, {options.weights, in_bfloat16}));
  return plan;
}

Result<BlobKey> NewBlobKey(const WeightPlan& weights) {
  BlobKey blob;
  TRY(blob.chunk_count, PaddedChunkCount(weights.plaintext_bytes));
  blob.chunk_bytes = wire::kChunkBytes;
  blob.secret = crypto::RandomSecret(kSecretBytes);
  crypto::FillRandom(blob.id);
  return blob;
}

Done AppendRows(BlobWriter& writer, ByteSpan bytes, const ForgetFn& forget) {
  while (!bytes.empty()) {
    const ByteSpan slice = bytes.first(std::min(bytes.size(), kSliceBytes));
    TRY_OK(writer.Append(slice));
    forget(slice);
    bytes = bytes.subspan(slice.size());
  }
  return {};
}

// A matrix [K, N], panel by panel: the panel's columns of every row.
Done AppendColumns(BlobWriter& writer, const PlannedWeight& weight, ByteSpan bytes) {
  const auto rows = static_cast<size_t>(weight.tensor->dims[0]);
  const auto columns = static_cast<size_t>(weight.tensor->dims[1]);
  const size_t width = wire::ElementBytes(weight.type);
  for (size_t begin = 0; begin < columns; begin += weight.panel_extent) {
    const size_t count = std::min<size_t>(weight.panel_extent, columns - begin);
    for (size_t row = 0; row < rows; ++row) {
      TRY_OK(writer.Append(bytes.subspan((row * columns + begin) * width, count * width)));
    }
  }
  return {};
}

// Elements of a tensor that is known to be readable, and float32.
Result<std::vector<float>> ReadFloats(const onnx::Tensor& tensor, onnx::ExternalFiles& files) {
  TRY(const onnx::TensorData data, onnx::ReadTensorData(tensor, files));
  std::vector<float> floats(data.bytes().size() / sizeof(float));
  std::memcpy(floats.data(), data.bytes().data(), floats.size() * sizeof(float));
  return floats;
}

Done AppendPanels(BlobWriter& writer, const PlannedWeight& weight, ByteSpan bytes,
                  onnx::ExternalFiles& files) {
  PackSource source{.values = bytes,
                    .dims = weight.tensor->dims,
                    .transposed = weight.packing->transposed,
                    .column_scale = weight.packing->channel_scale,
                    .storage = weight.storage,
                    .paired = weight.layout == PanelLayout::kMatrixPairs};
  std::vector<float> bias;
  if (weight.packing->bias != nullptr) {
    TRY(bias, ReadFloats(*weight.packing->bias, files));
    source.bias = bias;
  }
  return AppendPacked(writer, source);
}

// The same, of what a derived tensor was made from.
Done ForgetSource(const onnx::Tensor& tensor, onnx::ExternalFiles& files, const ForgetFn& forget) {
  if (tensor.derivation == nullptr) return {};
  TRY(const onnx::TensorData source, onnx::ReadTensorData(tensor.derivation->source, files));
  forget(source.bytes());
  return {};
}

Done SealWeights(const Plan& plan, const BlobKey& blob, onnx::ExternalFiles& files,
                 const ForgetFn& forget, const BlobSink& sink, const ProgressFn& progress) {
  TRY(const auto cipher,
      crypto::BlobCipher::Create(blob.secret, blob.id, blob.chunk_count, blob.chunk_bytes));
  BlobWriter writer(*cipher, sink, progress);
  for (const PlannedWeight& weight : plan.weights.weights) {
    if (weight.is_inline) continue;
    TRY(const onnx::TensorData data, onnx::ReadTensorData(*weight.tensor, files));
    TRY_OK(writer.PadTo(weight.offset));
    if (IsPacked(weight)) {
      TRY_OK(AppendPanels(writer, weight, data.bytes(), files));
      forget(data.bytes());
    } else if (weight.layout == PanelLayout::kColumns) {
      TRY_OK(AppendColumns(writer, weight, data.bytes()));
      forget(data.bytes());
    } else {
      TRY_OK(AppendRows(writer, data.bytes(), forget));
    }
    TRY_OK(ForgetSource(*weight.tensor, files, forget));
  }
  return writer.Finish();
}

DecomposeReport Summarize(const Plan& plan, const BlobKey& blob) {
  DecomposeReport report;
  report.blob_id = blob.id;
  ForEachNode(plan.program.main, [&](const ProgramNode&) { ++report.nodes; });
  for (const PlannedWeight& weight : plan.weights.weights) {
    ++(weight.is_inline ? report.inline_constants : report.sealed_weights);
    report.sealed_weight_bytes += weight.is_inline ? 0 : weight.byte_count;
  }
  report.chunks = blob.chunk_count;
  report.blob_bytes = blob.chunk_count * (blob.chunk_bytes + wire::kTagBytes);
  return report;
}

// `open_sink` is asked for the sink when nothing but writing can fail any more.
Result<DecomposeReport> DecomposeModel(ByteSpan model_bytes, onnx::ExternalFiles& files,
                                       const ForgetFn& forget,
                                       const std::function<Result<BlobSink>()>& open_sink,
                                       const ProgressFn& progress,
                                       const DecomposeOptions& options) {
  TRY(const Plan plan, MakePlan(model_bytes, files, options));
  TRY(const BlobKey blob, NewBlobKey(plan.weights));
  DecomposeReport report = Summarize(plan, blob);
  TRY(report.topology_message, WriteTopology(plan.model, plan.program, plan.weights, blob, files));
  TRY(const BlobSink sink, open_sink());
  TRY_OK(SealWeights(plan, blob, files, forget, sink, progress));
  return report;
}

}  // namespace

Result<DecomposeReport> Decompose(const std::filesystem::path& model_path,
                                  const std::filesystem::path& blob_path,
                                  const ProgressFn& progress, const DecomposeOptions& options) {
  TRY(const onnx::MappedFile model, onnx::MappedFile::Open(model_path));
  onnx::ExternalFiles files(model_path.has_parent_path() ? model_path.parent_path() : ".");
  const auto forget = [&](ByteSpan part) {
    model.Forget(part);
    files.Forget(part);
  };
  std::optional<AtomicFile> file;
  const auto open_sink = [&]() -> Result<BlobSink> {
    TRY(AtomicFile created, AtomicFile::Create(blob_path));
    file.emplace(std::move(created));
    return BlobSink([&file](ByteSpan sealed) { return file->Write(sealed); });
  };
  TRY(DecomposeReport report,
      DecomposeModel(model.bytes(), files, forget, open_sink, progress, options));
  TRY_OK(file->Commit(0644));
  return report;
}

Result<DecomposeReport> DecomposeBytes(ByteSpan model, const BlobSink& sink,
                                       const ProgressFn& progress,
                                       const DecomposeOptions& options) {
  onnx::ExternalFiles files;
  const auto open_sink = [&]() -> Result<BlobSink> { return sink; };
  return DecomposeModel(
      model, files, [](ByteSpan) {}, open_sink, progress, options);
}

}  // namespace ephemeralml::decompose
