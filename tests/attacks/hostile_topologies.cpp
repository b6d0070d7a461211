#include "tests/attacks/hostile_topologies.h"

#include "enclave/engine/testing/topology_builder.h"

namespace ephemeralml::attacks {
namespace {

using engine::testing::AddNode;
using engine::testing::AddSubgraph;
using engine::testing::TopologyBuilder;
using Integers = std::vector<int64_t>;

constexpr int64_t kTera = int64_t{1} << 40;
constexpr int64_t kEndless = int64_t{1} << 62;
constexpr uint32_t kOpset = 20;

wire::Attribute* Named(wire::Node* node, const std::string& name) {
  wire::Attribute* attribute = node->add_attributes();
  attribute->set_name(name);
  return attribute;
}

void Set(wire::Node* node, const std::string& name, int64_t value) {
  Named(node, name)->set_i(value);
}

void Set(wire::Node* node, const std::string& name, const Integers& values) {
  Named(node, name)->mutable_ints()->mutable_values()->Add(values.begin(), values.end());
}

void Set(wire::Node* node, const std::string& name, const std::string& text) {
  Named(node, name)->set_s(text);
}

// A topology with constants 1: a float vector [2], 2: a matrix [2, 2], 3: true, 4: 2^62.
class Maker {
 public:
  explicit Maker(std::string name, std::string reason)
      : graph_{std::move(name), std::move(reason), {}} {
    builder_.topology().mutable_operator_sets(0)->set_version(kOpset);
    builder_.Constant(1, {2}, {1, 2}).Constant(2, {2, 2}, {1, 2, 3, 4});
    Add(3, wire::BOOL, {}, std::string(1, '\1'));
    Ints(4, {}, {kEndless});
  }

  Maker& Ints(uint32_t id, const Integers& shape, const Integers& values) {
    return Add(id, wire::INT64, shape,
               {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t)});
  }

  Maker& Add(uint32_t id, wire::DataType type, const Integers& shape, const std::string& bytes) {
    wire::Weight* weight = builder_.topology().add_weights();
    weight->set_value(id);
    weight->set_type(type);
    weight->mutable_dims()->Add(shape.begin(), shape.end());
    weight->set_inline_data(bytes);
    return *this;
  }

  wire::Node* Node(const std::string& op, const std::vector<uint32_t>& inputs,
                   const std::vector<uint32_t>& outputs) {
    return AddNode(builder_.graph(), op, inputs, outputs);
  }

  wire::Graph& graph() { return builder_.graph(); }

  HostileGraph Give(uint32_t output) {
    builder_.Output(output, "y");
    graph_.topology = builder_.topology();
    return graph_;
  }

 private:
  TopologyBuilder builder_;
  HostileGraph graph_;
};

// A graph of one node whose operands are the constants and `shape`, value 5.
HostileGraph OneNode(const std::string& op, const std::string& reason,
                     const std::vector<uint32_t>& inputs, const Integers& shape,
                     const std::vector<std::pair<std::string, Integers>>& attributes = {}) {
  Maker maker(op + " to an absurd size", reason);
  maker.Ints(5, {static_cast<int64_t>(shape.size())}, shape);
  wire::Node* node = maker.Node(op, inputs, {20});
  for (const auto& [name, values] : attributes) Set(node, name, values);
  return maker.Give(20);
}

// A loop without an end that carries value `first` and replaces it by what `op` makes of twice it.
HostileGraph Growing(const std::string& name, const std::string& reason, uint32_t first,
                     const std::string& op, int64_t axis = -1) {
  Maker maker(name, reason);
  Set(maker.Node("Cast", {1}, {6}), "to", int64_t{wire::STRING});
  maker.Node("SequenceConstruct", {1}, {7});
  wire::Graph* body = AddSubgraph(*maker.Node("Loop", {4, 3, first}, {20}), "body");
  for (const uint32_t id : {30, 31, 32}) body->add_inputs()->set_id(id);
  wire::Node* node = AddNode(*body, op,
                             op == "SequenceInsert"      ? std::vector<uint32_t>{32, 1}
                             : op == "SequenceConstruct" ? std::vector<uint32_t>{32}
                                                         : std::vector<uint32_t>{32, 32},
                             {33});
  if (axis >= 0) Set(node, "axis", axis);
  for (const uint32_t id : {31, 33}) body->add_outputs()->set_id(id);
  return maker.Give(20);
}

void AddTangles(std::vector<HostileGraph>& graphs) {
  Maker cycle("a cycle", "topology_malformed");
  cycle.Node("Relu", {21}, {20});
  cycle.Node("Relu", {20}, {21});
  graphs.push_back(cycle.Give(21));
  Maker self("a node that reads what it makes", "topology_malformed");
  self.Node("Add", {1, 20}, {20});
  graphs.push_back(self.Give(20));
  Maker dangling("a value that nobody makes", "topology_malformed");
  dangling.Node("Relu", {99}, {20});
  graphs.push_back(dangling.Give(20));
  Maker twice("a value that is made twice", "topology_malformed");
  twice.Node("Relu", {1}, {20});
  twice.Node("Relu", {1}, {20});
  graphs.push_back(twice.Give(20));
  Maker inner("a value of a subgraph's used outside", "topology_malformed");
  wire::Node* branches = inner.Node("If", {3}, {20});
  for (const uint32_t id : {40, 41}) {
    wire::Graph* branch = AddSubgraph(*branches, id == 40 ? "then_branch" : "else_branch");
    AddNode(*branch, "Relu", {1}, {id});
    branch->add_outputs()->set_id(id);
  }
  inner.Node("Relu", {40}, {21});
  graphs.push_back(inner.Give(21));
  Maker ranks("a product of a vector and something of rank 1 that doesn't fit", "shape_invalid");
  ranks.Ints(5, {3}, {1, 2, 3});
  wire::Node* cast = ranks.Node("Cast", {5}, {20});
  Set(cast, "to", int64_t{wire::FLOAT});
  ranks.Node("MatMul", {2, 20}, {21});
  graphs.push_back(ranks.Give(21));
  Maker named("an operator with a name that fills a message", "operator_unsupported");
  named.Node(std::string(size_t{8} << 20, 'O'), {1}, {20});
  graphs.push_back(named.Give(20));
  graphs.push_back({"nesting beyond the engine's limit", "topology_malformed", NestedIfs(32)});
}

void AddSizes(std::vector<HostileGraph>& graphs) {
  const std::string memory = "session_memory_exceeded";
  const Integers huge = {kEndless, kEndless};
  graphs.push_back(OneNode("ConstantOfShape", memory, {5}, {kTera}));
  graphs.push_back(OneNode("ConstantOfShape", "size_overflow", {5}, huge));
  graphs.push_back(OneNode("ConstantOfShape", "shape_invalid", {5}, {-kTera}));
  graphs.push_back(OneNode("Expand", memory, {1, 5}, {kTera, 2}));
  graphs.push_back(OneNode("Expand", "size_overflow", {1, 5}, {kEndless, 2}));
  graphs.push_back(OneNode("Tile", memory, {1, 5}, {kTera}));
  graphs.push_back(OneNode("Tile", "size_overflow", {1, 5}, {kEndless}));
  graphs.push_back(OneNode("Pad", memory, {1, 5}, {kTera, kTera}));
  graphs.push_back(OneNode("Pad", "input_invalid", {1, 5}, {kEndless, kEndless}));
  graphs.push_back(OneNode("Reshape", "size_overflow", {1, 5}, {kEndless, kEndless}));
  Maker range("Range without an end in sight", memory);
  range.Ints(5, {}, {0}).Ints(6, {}, {kTera}).Ints(7, {}, {1}).Node("Range", {5, 6, 7}, {20});
  graphs.push_back(range.Give(20));
  Maker kernel("a convolution padded beyond all memory", "attribute_invalid");
  kernel.Ints(5, {3}, {1, 1, 2}).Node("Reshape", {1, 5}, {20});
  Set(kernel.Node("Conv", {20, 20}, {21}), "pads", Integers{kTera, kTera});
  graphs.push_back(kernel.Give(21));
}

void AddGrowth(std::vector<HostileGraph>& graphs) {
  graphs.push_back(Growing("a tensor that doubles", "session_memory_exceeded", 1, "Concat", 0));
  graphs.push_back(Growing("text that doubles", "session_memory_exceeded", 6, "StringConcat"));
  graphs.push_back(Growing("sequences in sequences", "input_invalid", 1, "SequenceConstruct"));
}

}  // namespace

wire::Topology NestedIfs(size_t levels) {
  Maker maker("", "");
  wire::Graph* graph = &maker.graph();
  uint32_t id = 100;
  for (size_t level = 0; level < levels; ++level) {
    wire::Node* branches = AddNode(*graph, "If", {3}, {id});
    if (level > 0) graph->add_outputs()->set_id(id);
    wire::Graph* other = AddSubgraph(*branches, "else_branch");
    AddNode(*other, "Relu", {1}, {id + 1});
    other->add_outputs()->set_id(id + 1);
    graph = AddSubgraph(*branches, "then_branch");
    id += 2;
  }
  AddNode(*graph, "Relu", {1}, {id});
  graph->add_outputs()->set_id(id);
  return maker.Give(100).topology;
}

std::vector<HostileGraph> RefusedGraphs() {
  std::vector<HostileGraph> graphs;
  AddTangles(graphs);
  AddSizes(graphs);
  AddGrowth(graphs);
  return graphs;
}

std::vector<HostileGraph> EndlessGraphs() {
  std::vector<HostileGraph> graphs;
  Maker empty("a loop that does nothing 2^62 times", "time_limit_exceeded");
  wire::Graph* body = AddSubgraph(*empty.Node("Loop", {4, 3, 1}, {20}), "body");
  for (const uint32_t id : {30, 31, 32}) body->add_inputs()->set_id(id);
  for (const uint32_t id : {31, 32}) body->add_outputs()->set_id(id);
  graphs.push_back(empty.Give(20));

  Maker nested("a loop in a loop", "time_limit_exceeded");
  body = AddSubgraph(*nested.Node("Loop", {4, 3, 1}, {20}), "body");
  for (const uint32_t id : {30, 31, 32}) body->add_inputs()->set_id(id);
  wire::Graph* inner = AddSubgraph(*AddNode(*body, "Loop", {4, 3, 32}, {33}), "body");
  for (const uint32_t id : {40, 41, 42}) inner->add_inputs()->set_id(id);
  AddNode(*inner, "Relu", {42}, {43});
  for (const uint32_t id : {41, 43}) inner->add_outputs()->set_id(id);
  for (const uint32_t id : {31, 33}) body->add_outputs()->set_id(id);
  graphs.push_back(nested.Give(20));
  graphs.push_back(Growing("a sequence that grows", "time_limit_exceeded", 7, "SequenceInsert"));
  return graphs;
}

HostileGraph EndlessOperator() {
  Maker maker("an operator that samples without an end", "time_limit_exceeded");
  maker.Ints(5, {4}, {1, 1, 64, 64}).Ints(6, {2}, {1, 4}).Ints(7, {1}, {0});
  maker.Node("ConstantOfShape", {5}, {20});
  maker.Node("ConstantOfShape", {6}, {21});
  wire::Node* align = maker.Node("RoiAlign", {20, 21, 7}, {22});
  Set(align, "output_height", int64_t{1024});
  Set(align, "output_width", int64_t{1024});
  Set(align, "sampling_ratio", int64_t{4096});
  Set(align, "mode", std::string("avg"));
  return maker.Give(22);
}

HostileGraph HugeAnswer() {
  Maker maker("a sequence that shares its memory", "message_too_large");
  maker.Ints(5, {1}, {int64_t{1} << 22}).Node("ConstantOfShape", {5}, {20});
  maker.Node("SequenceConstruct", std::vector<uint32_t>(32, 20), {21});
  return maker.Give(21);
}

}  // namespace ephemeralml::attacks
