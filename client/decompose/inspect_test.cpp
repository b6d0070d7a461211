#include "client/decompose/inspect.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/models.h"
#include "client/decompose/testing/split_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;

Bytes Sample() {
  ModelBuilder builder(16);
  builder.Input("x", {-1, 2}).Input("c", {}, ::onnx::TensorProto::BOOL).Output("y", {-1, 2});
  builder.Floats("w", {2}, {1, 2});
  builder.Ints("axes", {1}, {0});
  builder.Node("Add", {"x", "w"}, {"a"});
  builder.Node("ReduceSum", {"a", "axes"}, {"b"});
  auto* node = builder.Node("If", {"c"}, {"y"});
  AddGraph(node, "then_branch").Output("t", {2}).Node("Relu", {"b"}, {"t"});
  AddGraph(node, "else_branch").Output("e", {2}).Node("Relu", {"b"}, {"e"});
  return builder.Serialize();
}

TEST(Inspect, TellsWhatAKeyHolds) {
  const SplitModel split = Split(Sample()).value();
  const Inspection inspection = Inspect(split.report.topology_message).value();
  EXPECT_EQ(inspection.operator_sets, (std::map<std::string, int64_t>{{"", 16}}));
  EXPECT_EQ(inspection.operators,
            (std::map<std::string, size_t>{{"Add", 1}, {"If", 1}, {"ReduceSum", 1}, {"Relu", 2}}));
  ASSERT_EQ(inspection.inputs.size(), 2U);
  EXPECT_EQ(inspection.inputs[0].name, "x");
  EXPECT_EQ(inspection.inputs[0].type, wire::ElementType::kFloat);
  ASSERT_EQ(inspection.inputs[0].shape.size(), 2U);
  EXPECT_EQ(inspection.inputs[0].shape[0].size, -1);
  EXPECT_EQ(inspection.inputs[0].shape[0].symbol, "any");
  EXPECT_EQ(inspection.inputs[0].shape[1].size, 2);
  EXPECT_EQ(inspection.inputs[1].type, wire::ElementType::kBool);
  EXPECT_TRUE(inspection.inputs[1].has_shape);
  EXPECT_EQ(inspection.outputs.at(0).name, "y");
  EXPECT_EQ(inspection.sealed_weights, 1U);
  EXPECT_EQ(inspection.sealed_weight_bytes, 8U);
  EXPECT_EQ(inspection.inline_constants, 1U);
  EXPECT_EQ(inspection.blob_id, split.report.blob_id);
  EXPECT_EQ(inspection.chunks, split.report.chunks);
  EXPECT_EQ(inspection.chunk_bytes, wire::kChunkBytes);
}

TEST(Inspect, RefusesWeightsOfImpossibleShapes) {
  const SplitModel split = Split(Sample()).value();
  const auto outcome = [&](int64_t first, int64_t second) {
    wire::Topology topology = split.topology;
    wire::Weight& weight = *topology.mutable_weights(0);
    weight.set_type(wire::INT8);
    weight.set_dims(0, first);
    weight.add_dims(second);
    const auto inspection = Inspect(SecretBytes::CopyOf(AsBytes(topology.SerializeAsString())));
    return inspection ? std::string("read") : std::string(inspection.error().reason);
  };
  EXPECT_EQ(outcome(3, 5), "read");
  EXPECT_EQ(outcome(-1, 1), "topology_malformed");
  EXPECT_EQ(outcome(int64_t{1} << 40, int64_t{1} << 40), "topology_malformed");
}

TEST(Inspect, SurvivesTruncationAndBitFlips) {
  const google::protobuf::LogSilencer silence;
  const SplitModel split = Split(Sample()).value();
  const ByteSpan good = split.report.topology_message.Reveal();
  for (size_t size = 0; size < good.size(); ++size) {
    const auto inspection = Inspect(SecretBytes::CopyOf(good.first(size)));
    EXPECT_TRUE(inspection || inspection.error().reason == "topology_malformed");
  }
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    SecretBytes flipped = SecretBytes::CopyOf(good);
    flipped.Fill()[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto inspection = Inspect(flipped);
    EXPECT_TRUE(inspection || inspection.error().reason == "topology_malformed");
  }
  EXPECT_EQ(Inspect(SecretBytes()).error().reason, "topology_malformed");
}

}  // namespace
}  // namespace ephemeralml::decompose
