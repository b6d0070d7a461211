// Recurrent cells.

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddInt;
using decompose::testing::AddString;

const Value kNone = {"", ElementType::kFloat, std::nullopt};

Value Floats(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape);
}

void AddActivations(onnx::NodeProto* node, int64_t directions, size_t count) {
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name("activations");
  attribute->set_type(onnx::AttributeProto::STRINGS);
  for (size_t i = 0; i < static_cast<size_t>(directions) * count; ++i) {
    // The first squashes a gate into what a gate may be.
    attribute->add_strings(i % count == 0 && count > 1
                               ? "Sigmoid"
                               : OneOf<std::string>({"Tanh", "Relu", "Sigmoid", "Softsign"}));
  }
}

void AddCell(GraphMaker& maker, const std::string& op) {
  const int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  const int64_t steps = Draw(1, 4);
  const int64_t batch = Draw(1, 3);
  const int64_t columns = Draw(1, 4);
  const int64_t hidden = Draw(1, 4);
  const std::string direction = OneOf<std::string>({"forward", "reverse", "bidirectional"});
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  const Shape state = {directions, batch, hidden};
  std::vector<Value> inputs = {Floats(maker, {steps, batch, columns}),
                               Floats(maker, {directions, gates * hidden, columns}),
                               Floats(maker, {directions, gates * hidden, hidden})};
  inputs.push_back(Chance(60) ? Floats(maker, {directions, 2 * gates * hidden}) : kNone);
  inputs.push_back(Chance(30)
                       ? maker.Fresh(ElementType::kInt32, {batch}, {1, static_cast<double>(steps)})
                       : kNone);
  inputs.push_back(Chance(40) ? Floats(maker, state) : kNone);
  if (op == "LSTM") {
    inputs.push_back(Chance(40) ? Floats(maker, state) : kNone);
    if (Chance(30)) inputs.push_back(Floats(maker, {directions, 3 * hidden}));
  }
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat, Shape{steps, directions, batch, hidden});
  maker.Output(node, ElementType::kFloat, state);
  if (op == "LSTM") maker.Output(node, ElementType::kFloat, state);
  AddInt(node, "hidden_size", hidden);
  AddString(node, "direction", direction);
  if (op == "GRU" && Chance(50)) AddInt(node, "linear_before_reset", 1);
  if (Chance(20)) AddActivations(node, directions, op == "LSTM" ? 3 : op == "GRU" ? 2 : 1);
  if (Chance(20)) AddFloat(node, "clip", 1.5F);
}

}  // namespace

std::vector<NamedRecipe> RecurrentRecipes() {
  return {{"LSTM", AddCell}, {"GRU", AddCell}, {"RNN", AddCell}};
}

}  // namespace ephemeralml::differential
