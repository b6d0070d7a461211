#include "tests/properties/random_model.h"

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace ephemeralml::properties {
namespace {

namespace build = decompose::testing;

constexpr int64_t kMostElements = 4096;
constexpr double kEpsilon = 1e-5;

struct Value {
  std::string name;
  Values values;
};

// Floats are what models hold: their doubles are the same numbers.
Bytes AsFloats(const std::vector<double>& values) {
  Bytes bytes(values.size() * sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<float>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
  }
  return bytes;
}

class Generator {
 public:
  explicit Generator(const Recipe& recipe) : recipe_(recipe), random_(recipe.seed) {}

  RandomModel Make() {
    MakeInput();
    if (recipe_.hidden > 0) AddHiddenLayer();
    for (size_t i = 0; i < recipe_.nodes; ++i) AddAnyNode();
    for (const Value& value : pool_) {
      if (used_.contains(value.name)) continue;
      model_.Output(value.name, value.values.shape);
      std::erase(result_.inner_names, value.name);
      result_.expected.push_back(ToTensor(value));
    }
    result_.onnx = model_.Serialize();
    return std::move(result_);
  }

 private:
  int64_t Between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
  }
  bool Chance(int64_t one_in) { return Between(1, one_in) == 1; }
  double AnyFloat(double scale) {
    const double unit = static_cast<double>(random_() >> 11) * 0x1p-52 - 1;
    return static_cast<double>(static_cast<float>(unit * scale));
  }
  // Long enough to be recognised anywhere.
  std::string NewName(const std::string& kind) {
    std::string name = kind + "_" + std::to_string(++names_) + "_";
    for (int i = 0; i < 12; ++i) name += static_cast<char>('a' + random_() % 26);
    return name;
  }
  Values AnyValues(std::vector<int64_t> shape, double scale) {
    Values values{std::move(shape), {}};
    for (int64_t i = CountOf(values.shape); i > 0; --i) values.at.push_back(AnyFloat(scale));
    return values;
  }
  static tensors::NamedTensor ToTensor(const Value& value) {
    return {value.name, wire::ElementType::kFloat, value.values.shape,
            SecretBytes::CopyOf(AsFloats(value.values.at))};
  }

  void MakeInput() {
    std::vector<int64_t> shape = {Between(1, 3), Between(1, 6)};
    if (Chance(2)) shape.insert(shape.end(), {Between(3, 7), Between(3, 7)});
    std::vector<int64_t> declared = shape;
    if (Chance(2)) declared[0] = -1;
    const Value input = {NewName("input"), AnyValues(shape, 1)};
    model_.Input(input.name, declared);
    result_.inputs.push_back(ToTensor(input));
    pool_.push_back(input);
    flag_ = Chance(2);
  }

  // The flag that chooses branches is an input, made when a branch is first wanted.
  const std::string& Flag() {
    if (flag_name_.empty()) {
      flag_name_ = NewName("flag");
      model_.Input(flag_name_, {}, ::onnx::TensorProto::BOOL);
      const Bytes byte = {static_cast<uint8_t>(flag_)};
      result_.inputs.push_back(
          {flag_name_, wire::ElementType::kBool, {}, SecretBytes::CopyOf(byte)});
    }
    return flag_name_;
  }

  // A float constant: an initializer or a Constant node.
  Value Weight(std::vector<int64_t> shape, double scale, double offset = 0) {
    Value weight = {NewName("weight"), AnyValues(std::move(shape), scale)};
    for (double& value : weight.values.at) value = static_cast<float>(value + offset);
    std::vector<float> floats(weight.values.at.begin(), weight.values.at.end());
    if (Chance(4)) {
      auto* node = model_.Node("Constant", {}, {weight.name});
      build::FillFloats(build::AddTensor(node, "value"), weight.values.shape, floats);
    } else {
      model_.Floats(weight.name, weight.values.shape, floats);
    }
    result_.weights.push_back(AsFloats(weight.values.at));
    result_.weight_shapes.push_back(weight.values.shape);
    result_.inner_names.push_back(weight.name);
    return weight;
  }

  const Value& Pick() {
    // Later values more often: chains, with joins now and then.
    const size_t back = Chance(3) ? random_() % pool_.size() : 0;
    return pool_[pool_.size() - 1 - back];
  }

  ::onnx::NodeProto* Add(const std::string& op, const std::vector<std::string>& inputs,
                         Values values) {
    Value value = {NewName("value"), std::move(values)};
    auto* node = model_.Node(op, inputs, {value.name});
    node->set_name(NewName("node"));
    result_.inner_names.push_back(value.name);
    result_.inner_names.push_back(node->name());
    result_.operators.insert(op);
    used_.insert(inputs.begin(), inputs.end());
    pool_.push_back(std::move(value));
    return node;
  }

  void AddAnyNode() {
    using Adder = void (Generator::*)(const Value&);
    static constexpr std::array<Adder, 11> kAdders = {&Generator::AddMatMul,
                                                      &Generator::AddGemm,
                                                      &Generator::AddBinary,
                                                      &Generator::AddUnary,
                                                      &Generator::AddConv,
                                                      &Generator::AddReshape,
                                                      &Generator::AddConcat,
                                                      &Generator::AddTranspose,
                                                      &Generator::AddSoftmax,
                                                      &Generator::AddBranches,
                                                      &Generator::AddBatchNormalization};
    const Value x = Pick();
    (this->*kAdders[random_() % kAdders.size()])(x);
  }

  void AddHiddenLayer() {
    const Value x = Pick();
    const int64_t inner = x.values.shape.back();
    const Value in = Weight({inner, recipe_.hidden}, 1 / std::sqrt(inner));
    Add("MatMul", {x.name, in.name}, MatMul(x.values, in.values));
    const Value middle = pool_.back();
    const Value out = Weight({recipe_.hidden, 4}, 1 / std::sqrt(recipe_.hidden));
    Add("MatMul", {middle.name, out.name}, MatMul(middle.values, out.values));
    std::erase_if(pool_, [&](const Value& value) { return value.name == middle.name; });
  }

  void AddMatMul(const Value& x) {
    const int64_t inner = x.values.shape.back();
    const int64_t rows = CountOf(x.values.shape) / inner;
    const int64_t columns =
        Between(1, std::min<int64_t>(Chance(4) ? 600 : 40, kMostElements / rows));
    const Value w = Weight({inner, columns}, 1 / std::sqrt(inner));
    Add("MatMul", {x.name, w.name}, MatMul(x.values, w.values));
  }

  void AddGemm(const Value& x) {
    if (x.values.shape.size() != 2) return AddReshape(x);
    const int64_t inner = x.values.shape[1];
    const int64_t columns = Between(1, std::min<int64_t>(40, kMostElements / x.values.shape[0]));
    const bool transposed = Chance(2);
    const Value w = transposed ? Weight({columns, inner}, 1 / std::sqrt(inner))
                               : Weight({inner, columns}, 1 / std::sqrt(inner));
    const Value bias = Weight({columns}, 1);
    const double alpha = Chance(2) ? 1 : 0.5;
    const Values product = MatMul(x.values, transposed ? Transposed(w.values) : w.values);
    auto* node = Add("Gemm", {x.name, w.name, bias.name},
                     Zip(product, bias.values, [&](double a, double b) { return alpha * a + b; }));
    build::AddInt(node, "transB", transposed ? 1 : 0);
    build::AddFloat(node, "alpha", static_cast<float>(alpha));
  }

  void AddBinary(const Value& x) {
    static const std::vector<std::pair<std::string, double (*)(double, double)>> kOperators = {
        {"Add", [](double a, double b) { return a + b; }},
        {"Sub", [](double a, double b) { return a - b; }},
        {"Mul", [](double a, double b) { return a * b; }}};
    const auto& [op, function] = kOperators[random_() % kOperators.size()];
    const auto other = std::ranges::find_if(pool_, [&](const Value& value) {
      return value.name != x.name && value.values.shape == x.values.shape;
    });
    const bool joins = other != pool_.end() && Chance(2);
    const Value y = joins ? *other : Weight({x.values.shape.back()}, 1);
    Add(op, {x.name, y.name}, Zip(x.values, y.values, function));
  }

  void AddUnary(const Value& x) {
    static const std::vector<std::pair<std::string, double (*)(double)>> kOperators = {
        {"Relu", [](double v) { return v > 0 ? v : 0; }},
        {"Sigmoid", [](double v) { return 1 / (1 + std::exp(-v)); }},
        {"Tanh", [](double v) { return std::tanh(v); }},
        {"Neg", [](double v) { return -v; }},
        {"Abs", [](double v) { return std::fabs(v); }}};
    const auto& [op, function] = kOperators[random_() % kOperators.size()];
    Add(op, {x.name}, Map(x.values, function));
  }

  void AddConv(const Value& x) {
    const auto& in = x.values.shape;
    if (in.size() != 4 || std::min(in[2], in[3]) < 3) return AddUnary(x);
    ConvShape shape{Between(1, 2), Between(0, 1), Chance(3) ? in[1] : 1};
    const int64_t kernel = Chance(3) ? 1 : 3;
    // Many now and then: of 64 times 64 kernels, the weights are more than one panel.
    const int64_t most =
        std::min<int64_t>(Chance(3) ? 64 : 8, kMostElements / (in[0] * in[2] * in[3]));
    const int64_t outputs =
        shape.groups == 1 ? Between(1, std::max<int64_t>(most, 1)) : shape.groups;
    const double fan_in = static_cast<double>(in[1] / shape.groups * kernel * kernel);
    const Value w = Weight({outputs, in[1] / shape.groups, kernel, kernel}, 1 / std::sqrt(fan_in));
    const Value bias = Weight({outputs}, 1);
    auto* node =
        Add("Conv", {x.name, w.name, bias.name}, Conv(x.values, w.values, bias.values, shape));
    build::AddInts(node, "kernel_shape", {kernel, kernel});
    build::AddInts(node, "strides", {shape.stride, shape.stride});
    build::AddInts(node, "pads", {shape.pad, shape.pad, shape.pad, shape.pad});
    build::AddInt(node, "group", shape.groups);
  }

  // To a matrix, with the sizes left to the engine.
  void AddReshape(const Value& x) {
    const std::string wanted = NewName("shape");
    model_.Ints(wanted, {2}, {0, -1});
    Values y = x.values;
    y.shape = {y.shape[0], CountOf(y.shape) / y.shape[0]};
    Add("Reshape", {x.name, wanted}, std::move(y));
  }

  void AddConcat(const Value& x) {
    if (CountOf(x.values.shape) * 2 > kMostElements) return AddUnary(x);
    const size_t axis = random_() % x.values.shape.size();
    const auto other = std::ranges::find_if(
        pool_, [&](const Value& value) { return value.values.shape == x.values.shape; });
    const Value y = *other;
    auto* node = Add("Concat", {x.name, y.name}, Concat(x.values, y.values, axis));
    build::AddInt(node, "axis", static_cast<int64_t>(axis));
  }

  void AddTranspose(const Value& x) {
    std::vector<int64_t> permutation(x.values.shape.size());
    for (size_t i = 0; i < permutation.size(); ++i) permutation[i] = static_cast<int64_t>(i);
    for (size_t i = permutation.size() - 1; i > 0; --i) {
      std::swap(permutation[i], permutation[random_() % (i + 1)]);
    }
    auto* node = Add("Transpose", {x.name}, Transpose(x.values, permutation));
    build::AddInts(node, "perm", permutation);
  }

  void AddSoftmax(const Value& x) {
    build::AddInt(Add("Softmax", {x.name}, Softmax(x.values)), "axis", -1);
  }

  void AddBatchNormalization(const Value& x) {
    const int64_t channels = x.values.shape[1];
    const Value scale = Weight({channels}, 1);
    const Value shift = Weight({channels}, 1);
    const Value mean = Weight({channels}, 1);
    const Value variance = Weight({channels}, 0.5, 1);
    std::vector<double> factors;
    std::vector<double> offsets;
    for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
      factors.push_back(scale.values.at[c] / std::sqrt(variance.values.at[c] + kEpsilon));
      offsets.push_back(shift.values.at[c] - mean.values.at[c] * factors[c]);
    }
    auto* node =
        Add("BatchNormalization", {x.name, scale.name, shift.name, mean.name, variance.name},
            ScaleChannels(x.values, factors, offsets));
    build::AddFloat(node, "epsilon", static_cast<float>(kEpsilon));
  }

  // One branch multiplies by a weight of its own, the other takes an outer value as it is.
  void AddBranches(const Value& x) {
    const Values weight = AnyValues({x.values.shape.back()}, 1);
    Values y = flag_ ? Zip(x.values, weight, [](double a, double b) { return a * b; })
                     : Map(x.values, [](double v) { return v > 0 ? v : 0; });
    auto* node = Add("If", {Flag()}, std::move(y));
    used_.insert(x.name);
    const std::string weight_name = NewName("weight");
    const std::string then_name = NewName("value");
    const std::string else_name = NewName("value");
    auto then_branch = build::AddGraph(node, "then_branch");
    then_branch.get()->set_name(NewName("graph"));
    const std::vector<float> floats(weight.at.begin(), weight.at.end());
    then_branch.Floats(weight_name, weight.shape, floats);
    then_branch.Node("Mul", {x.name, weight_name}, {then_name})->set_name(NewName("node"));
    then_branch.Output(then_name, x.values.shape);
    auto else_branch = build::AddGraph(node, "else_branch");
    else_branch.get()->set_name(NewName("graph"));
    else_branch.Node("Relu", {x.name}, {else_name})->set_name(NewName("node"));
    else_branch.Output(else_name, x.values.shape);
    result_.weights.push_back(AsFloats(weight.at));
    result_.weight_shapes.push_back(weight.shape);
    result_.inner_names.insert(result_.inner_names.end(), {weight_name, then_name, else_name});
  }

  const Recipe recipe_;
  std::mt19937_64 random_;
  build::ModelBuilder model_;
  RandomModel result_;
  std::vector<Value> pool_;
  std::set<std::string> used_;
  std::string flag_name_;
  bool flag_ = false;
  int names_ = 0;
};

}  // namespace

RandomModel MakeRandomModel(const Recipe& recipe) { return Generator(recipe).Make(); }

Recipe ArbitraryRecipe(size_t most_nodes) {
  Recipe recipe;
  recipe.nodes = *rc::gen::inRange<size_t>(1, most_nodes + 1);
  recipe.seed = *rc::gen::noShrink(rc::gen::arbitrary<uint64_t>());
  return recipe;
}

double Disagreement(std::span<const tensors::NamedTensor> ours,
                    std::span<const tensors::NamedTensor> expected) {
  double worst = 0;
  if (ours.size() != expected.size()) return std::numeric_limits<double>::infinity();
  for (const tensors::NamedTensor& want : expected) {
    const auto have = std::ranges::find(ours, want.name, &tensors::NamedTensor::name);
    if (have == ours.end() || have->type != want.type || have->shape != want.shape) {
      return std::numeric_limits<double>::infinity();
    }
    for (size_t i = 0; i < want.data.size(); i += sizeof(float)) {
      float a = 0;
      float b = 0;
      std::memcpy(&a, have->data.Reveal().data() + i, sizeof(float));
      std::memcpy(&b, want.data.Reveal().data() + i, sizeof(float));
      const double error = std::fabs(double{a} - b) / (1e-4 + 1e-4 * std::fabs(double{b}));
      worst = error <= worst ? worst : error;  // not a number counts as worst
      if (std::isnan(error)) return std::numeric_limits<double>::infinity();
    }
  }
  return worst;
}

}  // namespace ephemeralml::properties
