// What every operator says of operands that it can't use: which operator, which node and what is
// wrong, and nothing that a tensor holds.

#include <gtest/gtest.h>

#include <cstring>

#include "common/operators/operators.h"
#include "common/wire/strings.h"
#include "enclave/engine/execute.h"
#include "enclave/engine/prepare.h"
#include "enclave/engine/testing/topology_builder.h"

namespace ephemeralml::engine {
namespace {

using testing::AddNode;
using testing::TopologyBuilder;

constexpr int64_t kValue = 987654321;
constexpr std::string_view kDigits = "98765";
constexpr std::string_view kText = "98765 in words";
constexpr size_t kMostInputs = 12;

// One operand, as often as the node takes operands.
struct Operand {
  const char* name;
  wire::DataType type;
  std::vector<int64_t> dims;
};
const std::vector<Operand> kOperands = {
    {"large integers", wire::INT64, {2, 3}},
    {"a large integer", wire::INT64, {}},
    {"large floats", wire::FLOAT, {2, 3, 1}},
    {"a large float", wire::FLOAT, {}},
    {"a cube of floats", wire::FLOAT, {1, 1, 2}},
    {"texts", wire::STRING, {2}},
    {"booleans", wire::BOOL, {2, 1, 1, 1, 1, 1}},
    {"bytes", wire::UINT8, {3}},
    {"doubles", wire::DOUBLE, {1, 3}},
    {"negative integers", wire::INT32, {2}},
    {"floats of eight bits", wire::FLOAT8E5M2, {2, 2}},
    {"integers of four bits", wire::INT4, {2}},
};

std::string Elements(const Operand& operand) {
  size_t count = 1;
  for (const int64_t dim : operand.dims) count *= static_cast<size_t>(dim);
  if (operand.type == wire::STRING) {
    return std::string(AsText(wire::EncodeStrings(std::vector<std::string_view>(count, kText))));
  }
  const auto repeat = [&](auto value) {
    std::string bytes(count * sizeof value, '\0');
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    }
    return bytes;
  };
  switch (operand.type) {
    case wire::INT64:
      return repeat(kValue);
    case wire::INT32:
      return repeat(static_cast<int32_t>(-kValue));
    case wire::FLOAT:
      return repeat(static_cast<float>(kValue));
    case wire::DOUBLE:
      return repeat(static_cast<double>(kValue));
    default:
      return repeat(uint8_t{1});
  }
}

class OperatorErrors : public ::testing::Test {
 protected:
  // What is said of node 1, whose operands are all the same; empty if nothing is wrong.
  std::string Run(const operators::SupportedOperator& op, const Operand& operand, size_t inputs,
                  size_t outputs) {
    TopologyBuilder builder;
    wire::Topology& topology = builder.topology();
    topology.mutable_operator_sets(0)->set_version(
        static_cast<uint32_t>(op.domain.empty() ? op.last_opset : operators::kNewestOpset));
    if (!op.domain.empty()) {
      wire::OperatorSet& set = *topology.add_operator_sets();
      set.set_domain(std::string(op.domain));
      set.set_version(static_cast<uint32_t>(op.last_opset));
    }
    const auto type = static_cast<ElementType>(operand.type);
    builder.Input(1, "x", operand.dims, type);
    AddNode(builder.graph(), "Identity", {1}, {2});
    std::vector<uint32_t> made;
    for (size_t i = 0; i < outputs; ++i) made.push_back(static_cast<uint32_t>(10 + i));
    wire::Node* node =
        AddNode(builder.graph(), std::string(op.name), std::vector<uint32_t>(inputs, 2), made);
    node->set_domain(std::string(op.domain));
    for (const uint32_t id : made) builder.Output(id, "y" + std::to_string(id));
    const weights::testing::TestBlob& blob = builder.Seal();
    const auto model = Prepare(topology);
    if (!model) return model.error().what;
    const std::string elements = Elements(operand);
    const NamedView input{"x", {type, operand.dims, AsBytes(elements)}};
    weights::Ledger ledger;
    const auto result =
        Execute(*model, std::span(&input, 1), blob.model(), *arena_, threads_, ledger);
    return result ? "" : result.error().what;
  }

  std::unique_ptr<Arena> arena_ = *Arena::Create(64 << 20);
  Threads threads_{1};
};

TEST_F(OperatorErrors, NameOperatorAndNodeAndNoValue) {
  for (const operators::SupportedOperator& op : operators::All()) {
    const std::string place = "node 1 (" + std::string(op.name) + "): ";
    size_t errors = 0;
    for (const Operand& operand : kOperands) {
      for (size_t inputs = 0; inputs <= kMostInputs; ++inputs) {
        for (const size_t outputs : {1, 3}) {
          const std::string what = Run(op, operand, inputs, outputs);
          if (what.empty()) continue;
          ++errors;
          ASSERT_EQ(what.substr(0, place.size()), place) << operand.name;
          ASSERT_GT(what.size(), place.size()) << operand.name;
          ASSERT_EQ(what.find(kDigits), std::string::npos) << what;
        }
      }
    }
    EXPECT_GT(errors, 0U) << op.name;
  }
}

}  // namespace
}  // namespace ephemeralml::engine
