#include "tests/e2e/networks.h"

#include <cmath>
#include <cstring>
#include <random>
#include <set>

namespace ephemeralml {
namespace {

using namespace decompose::testing;

// Names its own values, and draws weights as they are asked for.
class Writer {
 public:
  explicit Writer(int64_t opset) : builder(opset) {}

  std::string Op(const std::string& op, std::vector<std::string> inputs,
                 const std::vector<std::pair<std::string, std::vector<int64_t>>>& ints = {}) {
    const std::string name = "v" + std::to_string(count_++);
    auto* node = builder.Node(op, std::move(inputs), {name});
    for (const auto& [attribute, values] : ints) AddInts(node, attribute, values);
    last = node;
    return name;
  }
  std::string Weight(std::vector<int64_t> dims, float scale, float shift = 0) {
    size_t size = 1;
    for (const int64_t dim : dims) size *= static_cast<size_t>(dim);
    std::vector<float> values(size);
    std::normal_distribution<float> normal;
    for (float& value : values) value = shift + scale * normal(random_);
    const std::string name = "w" + std::to_string(count_++);
    builder.Floats(name, std::move(dims), values);
    return name;
  }
  std::string Number(float value) {
    const std::string name = "n" + std::to_string(count_++);
    builder.Floats(name, {}, {value});
    return name;
  }
  std::string Integers(const std::vector<int64_t>& values) {
    const std::string name = "i" + std::to_string(count_++);
    builder.Ints(name, {static_cast<int64_t>(values.size())}, values);
    return name;
  }
  tensors::NamedTensor Input(const std::string& name, const std::vector<int64_t>& dims) {
    size_t size = 1;
    for (const int64_t dim : dims) size *= static_cast<size_t>(dim);
    std::vector<float> values(size);
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random_);
    tensors::NamedTensor tensor;
    tensor.name = name;
    tensor.type = wire::ElementType::kFloat;
    tensor.shape = dims;
    tensor.data = SecretBytes(size * sizeof(float));
    std::memcpy(tensor.data.Fill().data(), values.data(), size * sizeof(float));
    return tensor;
  }

  ModelBuilder builder;
  ::onnx::NodeProto* last = nullptr;

 private:
  size_t count_ = 0;
  std::mt19937 random_{17};
};

std::string Normalize(Writer& w, const std::string& x, int64_t columns) {
  const std::string mean = w.Op("ReduceMean", {x}, {{"axes", {-1}}});
  const std::string d = w.Op("Sub", {x, mean});
  const std::string square = w.Op("Pow", {d, w.Number(2)});
  const std::string variance = w.Op("ReduceMean", {square}, {{"axes", {-1}}});
  const std::string deviation = w.Op("Sqrt", {w.Op("Add", {variance, w.Number(1e-5F)})});
  const std::string scaled =
      w.Op("Mul", {w.Op("Div", {d, deviation}), w.Weight({columns}, 0.1F, 1)});
  return w.Op("Add", {scaled, w.Weight({columns}, 0.1F)});
}

std::string Linear(Writer& w, const std::string& x, int64_t in, int64_t out) {
  const float scale = 1 / std::sqrt(static_cast<float>(in));
  return w.Op("Add", {w.Op("MatMul", {x, w.Weight({in, out}, scale)}), w.Weight({out}, 0.1F)});
}

std::string SpelledGelu(Writer& w, const std::string& x) {
  const std::string erf = w.Op("Erf", {w.Op("Div", {x, w.Number(1.41421356F)})});
  return w.Op("Mul", {w.Op("Mul", {x, w.Op("Add", {erf, w.Number(1)})}), w.Number(0.5F)});
}

// [b, s, 24] to [b, 3, s, 8], or with the last two axes swapped.
std::string Heads(Writer& w, const std::string& x, const std::vector<int64_t>& order) {
  return w.Op("Transpose", {w.Op("Reshape", {x, w.Integers({0, 0, 3, 8})})}, {{"perm", order}});
}

std::string Attend(Writer& w, const std::string& x, const std::string& mask) {
  const std::string q = Heads(w, Linear(w, x, 24, 24), {0, 2, 1, 3});
  const std::string k = Heads(w, Linear(w, x, 24, 24), {0, 2, 3, 1});
  const std::string v = Heads(w, Linear(w, x, 24, 24), {0, 2, 1, 3});
  const std::string scores = w.Op("Div", {w.Op("MatMul", {q, k}), w.Number(std::sqrt(8.0F))});
  const std::string shares = w.Op("Softmax", {w.Op("Add", {scores, mask})});
  const std::string heads =
      w.Op("Transpose", {w.Op("MatMul", {shares, v})}, {{"perm", {0, 2, 1, 3}}});
  return Linear(w, w.Op("Reshape", {heads, w.Integers({0, 0, 24})}), 24, 24);
}

std::string Convolve(Writer& w, const std::string& x, int64_t in, int64_t out, int64_t kernel,
                     int64_t stride = 1, int64_t group = 1) {
  const float scale = 1 / std::sqrt(static_cast<float>(kernel * kernel * in / group));
  const std::string y =
      w.Op("Conv", {x, w.Weight({out, in / group, kernel, kernel}, scale)},
           {{"strides", {stride, stride}}, {"pads", std::vector<int64_t>(4, kernel / 2)}});
  AddInt(w.last, "group", group);
  return w.Op("BatchNormalization", {y, w.Weight({out}, 0.1F, 1), w.Weight({out}, 0.1F),
                                     w.Weight({out}, 0.1F), w.Weight({out}, 0.05F, 1)});
}

std::string SpelledHardSwish(Writer& w, const std::string& x) {
  const std::string clipped =
      w.Op("Clip", {w.Op("Add", {x, w.Number(3)}), w.Number(0), w.Number(6)});
  return w.Op("Div", {w.Op("Mul", {x, clipped}), w.Number(6)});
}

std::string Gate(Writer& w, const std::string& x, int64_t channels) {
  const std::string mean = w.Op("GlobalAveragePool", {x});
  const std::string narrow = w.Op("Relu", {Convolve(w, mean, channels, 4, 1)});
  return w.Op("Mul", {x, w.Op("HardSigmoid", {Convolve(w, narrow, 4, channels, 1)})});
}

// What the graph makes gets a name of the branch's own.
void AddBranch(::onnx::NodeProto& node, const std::string& name, const ::onnx::GraphProto& whole) {
  GraphBuilder branch = AddGraph(&node, name);
  *branch.get()->mutable_node() = whole.node();
  std::set<std::string> made;
  for (const auto& inner : whole.node()) made.insert(inner.output().begin(), inner.output().end());
  for (auto& inner : *branch.get()->mutable_node()) {
    for (auto* values : {inner.mutable_input(), inner.mutable_output()}) {
      for (std::string& value : *values) {
        if (made.contains(value)) value = name + " " + value;
      }
    }
  }
}

}  // namespace

Network Encoder() {
  Writer w(13);
  w.builder.Input("x", {-1, 5, 24}).Input("mask", {-1, 1, 1, 5}).Output("y", {-1, 5, 24});
  std::string x = "x";
  for (int layer = 0; layer < 2; ++layer) {
    x = Normalize(w, w.Op("Add", {Attend(w, x, "mask"), x}), 24);
    const std::string wide = SpelledGelu(w, Linear(w, x, 24, 70));
    x = Normalize(w, w.Op("Add", {Linear(w, wide, 70, 24), x}), 24);
  }
  w.builder.Node("Identity", {x}, {"y"});
  Network network{w.builder.Serialize(), {}};
  network.inputs.push_back(w.Input("x", {2, 5, 24}));
  network.inputs.push_back(w.Input("mask", {2, 1, 1, 5}));
  return network;
}

Network Branches(bool which) {
  Network network = Encoder();
  ::onnx::ModelProto encoder;
  CHECK(encoder.ParseFromArray(network.onnx.data(), static_cast<int>(network.onnx.size())));
  ModelBuilder builder(13);
  ::onnx::GraphProto& graph = *builder.get();
  *graph.mutable_input() = encoder.graph().input();
  *graph.mutable_output() = encoder.graph().output();
  *graph.mutable_initializer() = encoder.graph().initializer();
  builder.Input("which", {}, ::onnx::TensorProto::BOOL);
  ::onnx::NodeProto* node = builder.Node("If", {"which"}, {"y"});
  for (const std::string name : {"then_branch", "else_branch"}) {
    AddBranch(*node, name, encoder.graph());
    GraphBuilder branch(node->mutable_attribute()->rbegin()->mutable_g());
    if (name == "else_branch") branch.Node("Neg", {name + " y"}, {"negated"});
    branch.Output(name == "else_branch" ? "negated" : name + " y", {-1, 5, 24});
  }
  network.onnx = builder.Serialize();
  tensors::NamedTensor& choice = network.inputs.emplace_back();
  choice.name = "which";
  choice.type = wire::ElementType::kBool;
  choice.data = SecretBytes(1);
  choice.data.Fill()[0] = which ? 1 : 0;
  return network;
}

Network ImageClassifier() {
  Writer w(13);
  w.builder.Input("image", {-1, 3, 20, 28}).Output("y", {-1, 7}).Output("map", {-1, 40, -1, -1});
  std::string x = w.Op("Relu", {Convolve(w, "image", 3, 24, 3, 2)});
  x = w.Op("MaxPool", {x}, {{"kernel_shape", {3, 3}}, {"strides", {1, 1}}, {"pads", {1, 1, 1, 1}}});
  const std::string before = x;
  x = SpelledHardSwish(w, Convolve(w, x, 24, 72, 1));
  x = SpelledHardSwish(w, Convolve(w, x, 72, 72, 5, 1, 72));
  x = Convolve(w, Gate(w, x, 72), 72, 24, 1);
  x = w.Op("Relu", {w.Op("Add", {x, before})});
  const std::string gate = w.Op("Sigmoid", {Convolve(w, x, 24, 16, 3)});
  const std::string half = w.Op("Mul", {gate, w.Weight({1, 16, 1, 1}, 1)});
  x = w.Op("Concat", {half, Convolve(w, x, 24, 24, 3)});
  AddInt(w.last, "axis", 1);
  w.builder.Floats("scales", {4}, {1, 1, 2, 2});
  w.builder.Node("Resize", {x, "", "scales"}, {"map"});
  x = w.Op("AveragePool", {"map"}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
  x = w.Op("Flatten", {w.Op("GlobalAveragePool", {Convolve(w, x, 40, 64, 3, 2)})});
  AddInt(w.builder.Node("Gemm", {x, w.Weight({7, 64}, 0.1F), w.Weight({7}, 0.1F)}, {"y"}), "transB",
         1);
  Network network{w.builder.Serialize(), {}};
  network.inputs.push_back(w.Input("image", {2, 3, 20, 28}));
  return network;
}

}  // namespace ephemeralml
