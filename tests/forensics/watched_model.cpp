#include "tests/forensics/watched_model.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "common/base/file.h"
#include "common/crypto/blob_cipher.h"
#include "common/crypto/kdf.h"
#include "common/wire/topology.pb.h"
#include "tests/support/reference.h"

namespace ephemeralml::forensics {
namespace {

using testing_support::SplitModel;
using testing_support::System;

constexpr size_t kMostBlocks = 36'000'000;
constexpr size_t kLargestModelBytes = 200'000'000;
constexpr size_t kTextBytes = 32;
constexpr size_t kTextStride = 64;
constexpr const char* kPrefix = "an unmistakable name: ";
constexpr std::string_view kLayersEnd = ".normalization.shift";

onnx::ModelProto Load() {
  const Bytes bytes =
      ReadFile(testing_support::GeneratedModel("minilm_l6"), kLargestModelBytes).value();
  onnx::ModelProto model;
  CHECK(model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return model;
}

void Rename(std::string& name, const onnx::GraphProto& graph) {
  for (const auto* ends : {&graph.input(), &graph.output()}) {
    for (const auto& end : *ends) {
      if (end.name() == name) name = kPrefix + name;
    }
  }
}

// The names of inputs and outputs are all that a topology keeps of a model's names.
void MakeNamesUnmistakable(onnx::GraphProto& graph) {
  const onnx::GraphProto before = [&] {
    onnx::GraphProto ends;
    *ends.mutable_input() = graph.input();
    *ends.mutable_output() = graph.output();
    return ends;
  }();
  for (auto& node : *graph.mutable_node()) {
    for (auto& name : *node.mutable_input()) Rename(name, before);
    for (auto& name : *node.mutable_output()) Rename(name, before);
  }
  for (auto& end : *graph.mutable_input()) Rename(*end.mutable_name(), before);
  for (auto& end : *graph.mutable_output()) Rename(*end.mutable_name(), before);
}

// Makes what each layer hands on an output too.
void ShowActivations(onnx::GraphProto& graph) {
  const onnx::ValueInfoProto last = graph.output(0);
  for (const auto& node : graph.node()) {
    if (node.input_size() != 2 || !node.input(1).ends_with(kLayersEnd)) continue;
    onnx::ValueInfoProto& shown = *graph.add_output();
    shown = last;
    shown.set_name(node.output(0));
  }
  CHECK(graph.output_size() > 2);
}

SplitModel Split(const System& system, const onnx::ModelProto& model, const std::string& name,
                 const decompose::DecomposeOptions& options) {
  const auto path = system.folder() / (name + ".onnx");
  const std::string bytes = model.SerializeAsString();
  CHECK(WriteFileAtomically(path, AsBytes(bytes), 0600).has_value());
  SplitModel split = system.Split(path, options);
  std::filesystem::remove(path);
  system.Upload(split);
  return split;
}

wire::Topology TopologyOf(const SplitModel& split) {
  wire::Topology topology;
  const ByteSpan bytes = split.topology.Reveal();
  CHECK(topology.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return topology;
}

// The blob's plaintext up to its last byte that isn't padding.
Bytes OpenBlob(const SplitModel& split, const wire::Blob& blob) {
  wire::BlobId id;
  std::ranges::copy(AsBytes(blob.id()), id.begin());
  const auto cipher = crypto::BlobCipher::Create(SecretBytes::CopyOf(AsBytes(blob.secret())), id,
                                                 blob.chunk_count(), blob.chunk_bytes())
                          .value();
  const Bytes sealed = ReadFile(split.blob, kLargestModelBytes).value();
  const size_t sealed_bytes = cipher->sealed_chunk_bytes();
  Bytes plain(blob.chunk_count() * blob.chunk_bytes());
  for (size_t i = 0; i < blob.chunk_count(); ++i) {
    CHECK(cipher
              ->Open(wire::ChunkIndex(i), ByteSpan(sealed).subspan(i * sealed_bytes, sealed_bytes),
                     MutableByteSpan(plain).subspan(i * blob.chunk_bytes(), blob.chunk_bytes()))
              .has_value());
  }
  while (!plain.empty() && plain.back() == 0) plain.pop_back();
  plain.resize((plain.size() + 7) / 8 * 8);
  return plain;
}

// The stream's part from a weight's first byte to the next one's.
ByteSpan StreamOf(const wire::Topology& topology, const wire::Weight& weight, ByteSpan packed) {
  uint64_t end = packed.size();
  for (const wire::Weight& other : topology.weights()) {
    if (other.inline_data().empty() && other.offset() > weight.offset()) {
      end = std::min(end, other.offset());
    }
  }
  return packed.subspan(weight.offset(), end - weight.offset());
}

void AddExpanded(const wire::Topology& topology, ByteSpan packed, SecretBlocks& blocks) {
  for (const wire::Weight& weight : topology.weights()) {
    if (weight.type() != wire::BFLOAT16 || !weight.inline_data().empty()) continue;
    const ByteSpan halves = StreamOf(topology, weight, packed);
    Bytes floats(halves.size() * 2);
    for (size_t i = 0; i < halves.size(); ++i) floats[i / 2 * 4 + 2 + i % 2] = halves[i];
    blocks.Add(floats, kWeight | kExpanded);
  }
}

void AddTexts(const SplitModel& split, const wire::Topology& topology, SecretBlocks& blocks) {
  const ByteSpan message = split.topology.Reveal();
  for (size_t at = 0; at + kTextBytes <= message.size(); at += kTextStride * kTextBytes) {
    blocks.AddText("topology as it is sent", message.subspan(at, kTextBytes));
  }
  for (const auto* ends : {&topology.graph().inputs(), &topology.graph().outputs()}) {
    for (const auto& end : *ends) blocks.AddText("name", AsBytes(end.name()));
  }
  const wire::Blob& blob = topology.blob();
  blocks.AddText("model's secret", AsBytes(blob.secret()));
  const SecretBytes key = crypto::HkdfSha384(SecretBytes::CopyOf(AsBytes(blob.secret())),
                                             AsBytes(blob.id()), "EphemeralML weight blob 1", 32);
  blocks.AddText("blob's key", key.Reveal());
}

std::vector<tensors::NamedTensor> ReadInputs() {
  auto inputs = testing_support::GeneratedInputs("minilm_seq128");
  for (auto& input : inputs) input.name = kPrefix + input.name;
  return inputs;
}

const tensors::NamedTensor& WordIds(const WatchedModel& watched) {
  return testing_support::Named(watched.inputs, kPrefix + std::string("input_ids"));
}

const onnx::TensorProto& TableOf(const onnx::GraphProto& graph, const char* name) {
  const auto found = std::ranges::find(graph.initializer(), name, &onnx::TensorProto::name);
  CHECK(found != graph.initializer().end());
  return *found;
}

void AddRow(const onnx::TensorProto& table, int64_t row, SecretBlocks& blocks) {
  const size_t row_bytes = static_cast<size_t>(table.dims(1)) * sizeof(float);
  blocks.Add(AsBytes(table.raw_data()).subspan(static_cast<size_t>(row) * row_bytes, row_bytes),
             kLookedUp);
}

// Words by their ids, positions from the first, and the only type.
void AddLookedUpRows(const onnx::GraphProto& graph, WatchedModel& watched) {
  const ByteSpan bytes = WordIds(watched).data.Reveal();
  const onnx::TensorProto& words = TableOf(graph, "embeddings.words");
  const onnx::TensorProto& positions = TableOf(graph, "embeddings.positions");
  for (size_t i = 0; i < bytes.size() / sizeof(int64_t); ++i) {
    int64_t id;
    std::memcpy(&id, bytes.data() + i * sizeof id, sizeof id);
    AddRow(words, id, watched.blocks);
    AddRow(positions, static_cast<int64_t>(i), watched.blocks);
  }
  AddRow(TableOf(graph, "embeddings.types"), 0, watched.blocks);
}

void AwaitEnd(const System& system, pid_t worker) {
  while (std::ranges::count(system.Workers(), worker) > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

void WatchedModel::AddOutputs(const std::vector<tensors::NamedTensor>& outputs) {
  for (const auto& output : outputs) blocks.Add(output.data.Reveal(), kOutput);
}

std::unique_ptr<WatchedModel> Watch(const System& system,
                                    const decompose::DecomposeOptions& options) {
  onnx::ModelProto model = Load();
  MakeNamesUnmistakable(*model.mutable_graph());
  auto watched = std::make_unique<WatchedModel>(WatchedModel{
      Split(system, model, "watched", options), ReadInputs(), SecretBlocks(kMostBlocks), {}});
  const wire::Topology topology = TopologyOf(watched->split);
  watched->packed = OpenBlob(watched->split, topology.blob());
  watched->weight_blocks = watched->packed.size() / sizeof(uint64_t);
  watched->low_entropy_blocks = watched->blocks.Add(watched->packed, kWeight);
  AddExpanded(topology, watched->packed, watched->blocks);
  for (const auto& weight : model.graph().initializer()) {
    watched->blocks.Add(AsBytes(weight.raw_data()), kWeight);
  }
  AddLookedUpRows(model.graph(), *watched);
  AddTexts(watched->split, topology, watched->blocks);
  const ByteSpan ids = WordIds(*watched).data.Reveal();
  for (size_t at = 0; at + kTextBytes <= ids.size(); at += kTextBytes) {
    watched->blocks.AddText("inputs", ids.subspan(at, kTextBytes));
  }

  ShowActivations(*model.mutable_graph());
  const SplitModel shown = Split(system, model, "shown", options);
  const pid_t worker = system.SpareWorker();  // now it is; the session's it will be
  session::Session session = system.Connect().value();
  const auto answer = session.Infer(shown.topology, watched->inputs);
  CHECK(answer.has_value());
  for (size_t i = 1; i < answer->outputs.size(); ++i) {
    watched->blocks.Add(answer->outputs[i].data.Reveal(), kActivation);
  }
  session.Close();
  AwaitEnd(system, worker);
  return watched;
}

}  // namespace ephemeralml::forensics
