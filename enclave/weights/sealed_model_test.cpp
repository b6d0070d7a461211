#include "enclave/weights/sealed_model.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/wire/topology.pb.h"

namespace ephemeralml::weights {
namespace {

constexpr uint64_t kBlobBytes = uint64_t{2} * wire::kSmallestChunkBytes;

// One float matrix [16, 8] at the very end of a blob of two chunks, and a constant of two int64.
wire::Topology Good() {
  wire::Topology topology;
  topology.mutable_blob()->set_chunk_bytes(wire::kSmallestChunkBytes);
  topology.mutable_blob()->set_chunk_count(2);
  wire::Weight* weight = topology.add_weights();
  weight->set_value(5);
  weight->set_type(wire::FLOAT);
  weight->add_dims(16);
  weight->add_dims(8);
  weight->set_offset(kBlobBytes - 512);
  weight->set_panel_extent(4);
  wire::Weight* constant = topology.add_weights();
  constant->set_value(6);
  constant->set_type(wire::INT64);
  constant->add_dims(2);
  constant->set_inline_data(std::string(16, '\1'));
  return topology;
}

TEST(ReadWeights, ReadsWeightsAndConstants) {
  wire::Topology topology = Good();
  topology.mutable_weights(0)->set_layout(wire::COLUMN_PANELS);
  const auto table = ReadWeights(topology);
  ASSERT_TRUE(table.has_value()) << table.error().what;
  ASSERT_EQ(table->size(), 2u);
  const auto& weight = std::get<WeightInfo>(table->at(0).second);
  EXPECT_EQ(weight.type, wire::ElementType::kFloat);
  EXPECT_EQ(weight.shape, (std::vector<int64_t>{16, 8}));
  EXPECT_EQ(weight.layout, PanelLayout::kColumns);
  EXPECT_EQ(weight.offset, kBlobBytes - 512);
  EXPECT_EQ(weight.byte_count, 512u);
  EXPECT_EQ(weight.panel_extent, 4u);
  EXPECT_EQ(weight.extent(), 8u);
  const auto& constant = std::get<InlineConstant>(table->at(1).second);
  EXPECT_EQ(constant.shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(constant.bytes, Bytes(16, 1));
}

// A packed weight's type is what is stored; kernels see float32.
TEST(ReadWeights, ReadsPackedHalvesAsFloats) {
  for (const wire::DataType type : {wire::FLOAT16, wire::BFLOAT16}) {
    wire::Topology topology = Good();
    topology.mutable_weights(0)->set_layout(wire::MATRIX_PANELS);
    topology.mutable_weights(0)->set_type(type);
    const auto table = ReadWeights(topology);
    ASSERT_TRUE(table.has_value()) << table.error().what;
    const auto& weight = std::get<WeightInfo>(table->at(0).second);
    EXPECT_EQ(weight.type, wire::ElementType::kFloat);
    EXPECT_EQ(weight.storage, wire::ElementTypeFromNumber(type));
    EXPECT_EQ(weight.byte_count, 16u * 16 * 2);
  }
  wire::Topology topology = Good();
  topology.mutable_weights(0)->set_layout(wire::MATRIX_PANELS);
  topology.mutable_weights(0)->set_type(wire::UINT16);
  EXPECT_EQ(ReadWeights(topology).error().reason, "topology_malformed");
}

TEST(ReadWeights, ReadsPairsAsWords) {
  wire::Topology topology = Good();
  wire::Weight& message = *topology.mutable_weights(0);
  message.set_layout(wire::MATRIX_PAIRS);
  message.set_type(wire::BFLOAT16);
  message.set_dims(0, 15);
  message.set_has_bias(true);
  const auto table = ReadWeights(topology);
  ASSERT_FALSE(table.has_value()) << "9 rows of 16 words don't fit";
  message.set_has_bias(false);
  const auto fitting = ReadWeights(topology);
  ASSERT_TRUE(fitting.has_value()) << fitting.error().what;
  const auto& weight = std::get<WeightInfo>(fitting->front().second);
  EXPECT_EQ(weight.type, wire::ElementType::kFloat);
  EXPECT_EQ(weight.storage, wire::ElementType::kUint32);
  EXPECT_EQ(weight.packed.steps, 8U);
  EXPECT_EQ(weight.byte_count, 8U * 16 * 4);
  message.set_type(wire::FLOAT);
  EXPECT_EQ(ReadWeights(topology).error().reason, "topology_malformed");
}

TEST(ReadWeights, MakesEmptyTensorsConstants) {
  wire::Topology topology = Good();
  topology.mutable_weights(0)->set_dims(0, 0);
  const auto table = ReadWeights(topology);
  ASSERT_TRUE(table.has_value());
  EXPECT_TRUE(std::get<InlineConstant>(table->at(0).second).bytes.empty());
}

TEST(ReadWeights, TakesATopologyWithoutWeights) {
  const auto table = ReadWeights(wire::Topology());
  ASSERT_TRUE(table.has_value());
  EXPECT_TRUE(table->empty());
}

struct Alteration {
  std::string name;
  std::function<void(wire::Topology&)> alter;
};

class ReadWeightsRefuses : public ::testing::TestWithParam<Alteration> {};

TEST_P(ReadWeightsRefuses, HostileTables) {
  wire::Topology topology = Good();
  ASSERT_TRUE(ReadWeights(topology).has_value());
  GetParam().alter(topology);
  const auto table = ReadWeights(topology);
  ASSERT_FALSE(table.has_value());
  EXPECT_EQ(table.error().reason, "topology_malformed");
}

Alteration OfWeight(std::string name, std::function<void(wire::Weight&)> alter) {
  return {std::move(name), [alter](wire::Topology& t) { alter(*t.mutable_weights(0)); }};
}
Alteration OfConstant(std::string name, std::function<void(wire::Weight&)> alter) {
  return {std::move(name), [alter](wire::Topology& t) { alter(*t.mutable_weights(1)); }};
}
Alteration OfBlob(std::string name, std::function<void(wire::Blob&)> alter) {
  return {std::move(name), [alter](wire::Topology& t) { alter(*t.mutable_blob()); }};
}

std::vector<Alteration> Alterations() {
  using wire::Weight;
  return {
      OfWeight("NoId", [](Weight& w) { w.set_value(0); }),
      OfWeight("TwoOfOneId", [](Weight& w) { w.set_value(6); }),
      OfWeight("NoType", [](Weight& w) { w.set_type(wire::UNDEFINED); }),
      OfWeight("Strings", [](Weight& w) { w.set_type(wire::STRING); }),
      OfWeight("TypeThatWraps", [](Weight& w) { w.set_type(static_cast<wire::DataType>(257)); }),
      OfWeight("NegativeType", [](Weight& w) { w.set_type(static_cast<wire::DataType>(-1)); }),
      OfWeight("NegativeDimension", [](Weight& w) { w.set_dims(0, -16); }),
      OfWeight("TwoNegativeDimensions", [](Weight& w) { w.set_dims(0, -16), w.set_dims(1, -8); }),
      OfWeight("HugeDimension", [](Weight& w) { w.set_dims(0, INT64_MAX); }),
      OfWeight("ProductThatWraps", [](Weight& w) { w.add_dims(int64_t{1} << 57); }),
      OfWeight("EmptyButUncountable",
               [](Weight& w) { w.set_dims(0, 0), w.set_dims(1, INT64_MAX); }),
      OfWeight("TooManyDimensions", [](Weight& w) { w.mutable_dims()->Resize(40, 1); }),
      OfWeight("UnknownLayout", [](Weight& w) { w.set_layout(static_cast<wire::Layout>(2)); }),
      OfWeight("ColumnsOfNoMatrix",
               [](Weight& w) { w.set_layout(wire::COLUMN_PANELS), w.add_dims(1); }),
      OfWeight("PanelsOfNoRows", [](Weight& w) { w.set_panel_extent(0); }),
      OfWeight("Unaligned", [](Weight& w) { w.set_offset(32); }),
      OfWeight("OneStepPastTheEnd", [](Weight& w) { w.set_offset(kBlobBytes - 448); }),
      OfWeight("OffsetThatWraps", [](Weight& w) { w.set_offset(UINT64_MAX - 63); }),
      OfWeight("LargerThanTheBlob", [](Weight& w) { w.set_dims(0, 16 * 128); }),
      OfBlob("NoBlob", [](wire::Blob& b) { b.Clear(); }),
      OfBlob("ChunksTooLarge",
             [](wire::Blob& b) { b.set_chunk_bytes(wire::kLargestChunkBytes + 1); }),
      OfBlob("TooManyChunks", [](wire::Blob& b) { b.set_chunk_count(wire::kMostChunks + 1); }),
      OfBlob("ChunksUnaligned",
             [](wire::Blob& b) { b.set_chunk_bytes(wire::kSmallestChunkBytes + 1); }),
      OfConstant("PackedHalves",
                 [](Weight& w) {
                   w.set_type(wire::BFLOAT16), w.set_layout(wire::MATRIX_PANELS);
                   w.set_dims(0, 16), w.add_dims(16);
                   w.set_inline_data(std::string(size_t{16} * 16 * 2, 'x'));
                 }),
      OfConstant("PackedPairs",
                 [](Weight& w) {
                   w.set_type(wire::BFLOAT16), w.set_layout(wire::MATRIX_PAIRS);
                   w.set_dims(0, 16), w.add_dims(16);
                   w.set_inline_data(std::string(size_t{16} * 16 * 2, 'x'));
                 }),
      OfConstant("TooShort", [](Weight& w) { w.set_inline_data(std::string(15, 'x')); }),
      OfConstant("TooLong", [](Weight& w) { w.set_inline_data(std::string(17, 'x')); }),
      OfConstant("LostItsData", [](Weight& w) { w.clear_inline_data(); }),
      OfConstant("EmptyWithData", [](Weight& w) { w.set_dims(0, 0); }),
  };
}

INSTANTIATE_TEST_SUITE_P(Each, ReadWeightsRefuses, ::testing::ValuesIn(Alterations()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace ephemeralml::weights
