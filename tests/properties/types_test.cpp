// Property 2, types: what the decomposer accepts, the enclave computes.

#include <fstream>
#include <functional>

#include "client/decompose/decompose.h"
#include "tests/properties/property.h"
#include "tests/properties/random_model.h"
#include "tests/support/system.h"

namespace ephemeralml::properties {
namespace {

using Proto = ::onnx::TensorProto;

constexpr size_t kMostNodes = 3;
constexpr int kCases = 150;

// Ones: what is computed on them doesn't matter, only whether anything is.
std::string Ones(int type, size_t count) {
  const std::map<int, std::string> one = {
      {Proto::FLOAT, {"\0\0\x80\x3f", 4}}, {Proto::DOUBLE, {"\0\0\0\0\0\0\xf0\x3f", 8}},
      {Proto::FLOAT16, {"\0\x3c", 2}},     {Proto::BFLOAT16, {"\x80\x3f", 2}},
      {Proto::INT32, {"\1\0\0\0", 4}},     {Proto::UINT8, {"\1", 1}}};
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += one.at(type);
  return bytes;
}

size_t CountOf(const Proto& tensor) {
  size_t count = 1;
  for (const int64_t dim : tensor.dims()) count *= static_cast<size_t>(dim);
  return count;
}

void Recast(Proto& tensor, int type) {
  if (tensor.data_type() != Proto::FLOAT) return;
  tensor.set_raw_data(Ones(type, CountOf(tensor)));
  tensor.set_data_type(type);
}

// Every float in a graph becomes the other type.
void Recast(::onnx::GraphProto& graph, int type) {
  const auto recast = [&](auto& infos) {
    for (auto& info : infos) {
      auto* tensor = info.mutable_type()->mutable_tensor_type();
      if (tensor->elem_type() == Proto::FLOAT) tensor->set_elem_type(type);
    }
  };
  recast(*graph.mutable_input());
  recast(*graph.mutable_output());
  for (auto& weight : *graph.mutable_initializer()) Recast(weight, type);
  for (auto& node : *graph.mutable_node()) {
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) Recast(*attribute.mutable_t(), type);
      if (attribute.has_g()) Recast(*attribute.mutable_g(), type);
    }
  }
}

TEST(Property2_Acceptance, TheEnclaveComputesWhatTheDecomposerAccepts) {
  const testing_support::System system;
  session::Session session = system.Connect().value();
  int accepted = 0;
  int refused = 0;
  CheckProperty(2, kCases, [&] {
    RandomModel model = MakeRandomModel(ArbitraryRecipe(kMostNodes));
    const int type = *rc::gen::element<int>(Proto::DOUBLE, Proto::FLOAT16, Proto::BFLOAT16,
                                            Proto::INT32, Proto::UINT8);
    ::onnx::ModelProto recast;
    CHECK(recast.ParseFromArray(model.onnx.data(), static_cast<int>(model.onnx.size())));
    Recast(*recast.mutable_graph(), type);
    const auto path = system.folder() / "model.onnx";
    const auto blob = system.folder() / "recast.blob";
    std::ofstream(path, std::ios::binary) << recast.SerializeAsString();
    const auto split = decompose::Decompose(path, blob);
    if (!split) {
      ++refused;
      RC_ASSERT(split.error().reason == "type_unsupported");
      RC_ASSERT(!std::filesystem::exists(blob));
      return;
    }
    ++accepted;
    CHECK(session::UploadBlob(system.Store(), ToHex(split->blob_id), blob, {}).has_value());
    std::filesystem::remove(blob);
    for (auto& input : model.inputs) {
      if (input.type != wire::ElementType::kFloat) continue;
      input.data = SecretBytes::CopyOf(AsBytes(Ones(type, input.data.size() / sizeof(float))));
      input.type = wire::ElementTypeFromNumber(type);
    }
    const auto answer = session.Infer(split->topology_message, model.inputs);
    if (!answer) RC_FAIL(std::string(answer.error().reason) + ": " + answer.error().what);
  });
  std::cout << accepted << " accepted, " << refused << " refused\n";
  EXPECT_GE(accepted, kCases / 10);
  EXPECT_GE(refused, kCases / 10);
}

}  // namespace
}  // namespace ephemeralml::properties
