#include "tests/e2e/small_models.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <numeric>

namespace ephemeralml::testing_support {
namespace {

using decompose::testing::AddInt;
using decompose::testing::AddInts;
using decompose::testing::ModelBuilder;

SmallModel Finish(std::string name, ModelBuilder& builder, std::vector<int64_t> shape,
                  size_t output_rank) {
  builder.Input(kInputName, shape);
  builder.Output("y", std::vector<int64_t>(output_rank, -1));
  auto* input = builder.get()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  input->mutable_shape()->mutable_dim(0)->set_dim_param(kDimensionName);
  return {std::move(name), builder.Serialize(), std::move(shape)};
}

void Weight(ModelBuilder& builder, const std::string& name, const std::vector<int64_t>& dims) {
  const auto count = std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
  builder.Floats(name, dims,
                 std::vector<float>(static_cast<size_t>(count), std::bit_cast<float>(kWeightBits)));
}

}  // namespace

SmallModel DenseModel() {
  constexpr int kLayers = 6;
  constexpr int64_t kWidth = 256;
  ModelBuilder builder;
  std::string value = kInputName;
  for (int i = 0; i < kLayers; ++i) {
    const std::string number = std::to_string(i);
    const std::string next = i + 1 == kLayers ? "y" : "h" + number;
    Weight(builder, "w" + number, {kWidth, kWidth});
    Weight(builder, "b" + number, {kWidth});
    if (i % 2 == 0) {
      builder.Node("Gemm", {value, "w" + number, "b" + number}, {next});
    } else {
      builder.Node("MatMul", {value, "w" + number}, {next});
    }
    value = next;
  }
  return Finish("dense", builder, {-1, kWidth}, 2);
}

SmallModel ConvolutionModel() {
  constexpr int64_t kChannels = 32;
  ModelBuilder builder;
  Weight(builder, "w0", {kChannels, 16, 3, 3});
  Weight(builder, "w1", {kChannels, 1, 3, 3});
  Weight(builder, "w2", {kChannels, kChannels, 1, 1});
  Weight(builder, "w3", {kChannels, kChannels, 2, 2});
  Weight(builder, "b", {kChannels});
  AddInts(builder.Node("Conv", {kInputName, "w0", "b"}, {"h0"}), "pads", {1, 1, 1, 1});
  auto* depthwise = builder.Node("Conv", {"h0", "w1"}, {"h1"});
  AddInts(depthwise, "pads", {1, 1, 1, 1});
  AddInt(depthwise, "group", kChannels);
  builder.Node("Conv", {"h1", "w2", "b"}, {"h2"});
  AddInts(builder.Node("ConvTranspose", {"h2", "w3"}, {"y"}), "strides", {2, 2});
  return Finish("convolution", builder, {-1, 16, 32, 32}, 4);
}

SmallModel LstmModel() {
  constexpr int64_t kHidden = 64;
  ModelBuilder builder;
  Weight(builder, "w", {1, 4 * kHidden, kHidden});
  Weight(builder, "r", {1, 4 * kHidden, kHidden});
  Weight(builder, "b", {1, 8 * kHidden});
  AddInt(builder.Node("LSTM", {kInputName, "w", "r", "b"}, {"y"}), "hidden_size", kHidden);
  return Finish("lstm", builder, {-1, 1, kHidden}, 4);
}

SplitModel Install(const System& system, const SmallModel& model) {
  const auto path = system.folder() / (model.name + ".onnx");
  CHECK(WriteFileAtomically(path, model.onnx, 0600).has_value());
  SplitModel split = system.Split(path);
  system.Upload(split);
  return split;
}

std::vector<tensors::NamedTensor> InputFor(const SmallModel& model, int64_t length) {
  std::vector<tensors::NamedTensor> inputs(1);
  inputs[0].name = kInputName;
  inputs[0].type = wire::ElementType::kFloat;
  inputs[0].shape = model.shape;
  inputs[0].shape[0] = length;
  const auto bytes = tensors::ByteCount(inputs[0].type, inputs[0].shape).value();
  inputs[0].data = SecretBytes(bytes);
  const MutableByteSpan data = inputs[0].data.Fill();
  for (size_t at = 0; at < bytes; at += sizeof kInputBits) {
    std::memcpy(data.data() + at, &kInputBits, sizeof kInputBits);
  }
  return inputs;
}

}  // namespace ephemeralml::testing_support
