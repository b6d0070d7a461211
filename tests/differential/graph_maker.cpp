#include "tests/differential/graph_maker.h"

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/operators/operators.h"
#include "common/wire/narrow_float.h"

namespace ephemeralml::differential {
namespace {

// Bits, so that every choice is as likely in small cases as in large ones.
uint64_t DrawBits() {
  return *rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<uint64_t>()));
}

template <class T>
void Append(Bytes& bytes, T value) {
  const auto* begin = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof(T));
}

size_t CountOf(const Shape& shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
}

}  // namespace

int64_t Draw(int64_t least, int64_t most) {
  return *rc::gen::resize(100, rc::gen::inRange(least, most + 1));
}

bool Chance(int percent) { return Draw(0, 99) >= 100 - percent; }

GraphMaker::GraphMaker(int64_t opset) : opset_(opset), builder_(opset), source_(DrawBits()) {
  builder_.model().set_ir_version(9);
  auto* set = builder_.model().add_opset_import();
  set->set_domain("com.microsoft");
  set->set_version(1);
}

bool GraphMaker::Has(const std::string& op) const { return operators::IsSupported("", op, opset_); }

std::string GraphMaker::NewName() { return "v" + std::to_string(names_++); }

Shape GraphMaker::RandomShape(int64_t least, int64_t most) {
  Shape shape(static_cast<size_t>(Draw(least, most)));
  for (int64_t& size : shape) size = Draw(1, 5);
  if (!shape.empty() && Chance(10)) shape[static_cast<size_t>(Draw(0, std::ssize(shape) - 1))] = 0;
  return shape;
}

Shape GraphMaker::Broadcastable(const Shape& shape) {
  Shape other(shape.begin() + Draw(0, std::ssize(shape)), shape.end());
  for (int64_t& size : other) {
    if (Chance(25)) size = 1;
  }
  if (other.size() == shape.size() && Chance(15)) other.insert(other.begin(), Draw(1, 3));
  return other;
}

Bytes GraphMaker::Elements(ElementType type, size_t count, const Numbers& numbers) {
  std::uniform_real_distribution<double> draw(numbers.least, numbers.most);
  Bytes bytes;
  for (size_t i = 0; i < count; ++i) {
    const double number = draw(source_);
    switch (type) {
      case ElementType::kFloat:
        Append(bytes, static_cast<float>(number));
        break;
      case ElementType::kFloat16:
        Append(bytes, wire::Narrow(wire::kHalf, number, {.saturate = false}));
        break;
      case ElementType::kDouble:
        Append(bytes, number);
        break;
      case ElementType::kBool:
        Append(bytes, static_cast<uint8_t>(number > 0));
        break;
      case ElementType::kInt8:
        Append(bytes, static_cast<int8_t>(std::lround(number)));
        break;
      case ElementType::kUint8:
        Append(bytes, static_cast<uint8_t>(std::lround(number)));
        break;
      case ElementType::kInt32:
        Append(bytes, static_cast<int32_t>(std::lround(number)));
        break;
      case ElementType::kUint32:
        Append(bytes, static_cast<uint32_t>(std::lround(number)));
        break;
      default:
        CHECK(type == ElementType::kInt64);
        Append(bytes, static_cast<int64_t>(std::lround(number)));
    }
  }
  return bytes;
}

Value GraphMaker::Fresh(ElementType type, const Shape& shape, Numbers numbers) {
  Value value{NewName(), type, shape};
  Bytes elements = Elements(type, CountOf(shape), numbers);
  const int number = static_cast<int>(type);
  if (numbers.constant || Chance(40)) {
    onnx::TensorProto* tensor = builder_.get()->add_initializer();
    tensor->set_name(value.name);
    tensor->set_data_type(number);
    tensor->mutable_dims()->Add(shape.begin(), shape.end());
    tensor->set_raw_data(elements.data(), elements.size());
  } else {
    Shape declared = shape;
    for (int64_t& size : declared) {
      // A symbol would be one size wherever it stands.
      if (shape.size() == 1 && names_ == 1 && Chance(30)) size = -1;
    }
    builder_.Input(value.name, declared, number);
    graph_.inputs.push_back({value.name, type, shape, std::move(elements)});
  }
  values_.push_back(value);
  return value;
}

Value GraphMaker::Integers(const std::vector<int64_t>& values) {
  const Value value{NewName(), ElementType::kInt64, Shape{std::ssize(values)}};
  builder_.Ints(value.name, *value.shape, values);
  return value;
}

Value GraphMaker::Constants(const std::vector<float>& values, std::optional<Shape> shape) {
  const Value value{NewName(), ElementType::kFloat, shape.value_or(Shape{std::ssize(values)})};
  builder_.Floats(value.name, *value.shape, values);
  return value;
}

Value GraphMaker::Operand(ElementType type, int64_t least_axes, int64_t most_axes) {
  std::vector<Value> fitting;
  for (const Value& value : values_) {
    if (value.type != type || !value.shape) continue;
    const auto axes = std::ssize(*value.shape);
    if (axes >= least_axes && axes <= most_axes) fitting.push_back(value);
  }
  if (!fitting.empty() && Chance(70)) return fitting.back();
  return Fresh(type, RandomShape(least_axes, most_axes));
}

Value GraphMaker::AnyFloat() {
  if (!values_.empty() && values_.back().type == ElementType::kFloat && Chance(80)) {
    return values_.back();
  }
  return Operand();
}

onnx::NodeProto* GraphMaker::Node(const std::string& op, const std::vector<Value>& inputs,
                                  ElementType type, std::optional<Shape> shape,
                                  const std::string& domain) {
  std::vector<std::string> names;
  for (const Value& input : inputs) names.push_back(input.name);
  onnx::NodeProto* node = builder_.Node(op, names, {});
  node->set_domain(domain);
  Output(node, type, std::move(shape));
  graph_.operator_names.push_back((domain.empty() ? "" : domain + ".") + op);
  return node;
}

void GraphMaker::Output(onnx::NodeProto* node, ElementType type, std::optional<Shape> shape) {
  const Value value{NewName(), type, std::move(shape)};
  node->add_output(value.name);
  made_.push_back(value.name);
  values_.push_back(value);
}

void GraphMaker::LastIsRounded() {
  graph_.rounds = true;
  values_.pop_back();
}

RandomGraph GraphMaker::Finish() {
  std::vector<std::string> used;
  for (const onnx::NodeProto& node : builder_.get()->node()) {
    used.insert(used.end(), node.input().begin(), node.input().end());
  }
  for (const std::string& name : made_) {
    const bool is_used = std::ranges::find(used, name) != used.end();
    if (is_used && Chance(85)) continue;
    builder_.get()->add_output()->set_name(name);
  }
  for (const std::string& op : graph_.operator_names) {
    graph_.operators += (graph_.operators.empty() ? "" : " ") + op;
  }
  graph_.with_preparation = Chance(70);
  graph_.model = builder_.Serialize();
  graph_.text = builder_.model().ShortDebugString().substr(0, 6000) + "\n" +
                (graph_.with_preparation ? "prepared; " : "as it is; ");
  return std::move(graph_);
}

RandomGraph MakeRandomGraph(const std::string& only) {
  static const auto recipes = [] {
    std::vector<NamedRecipe> all;
    for (const auto& list : {ElementwiseRecipes(), MovingRecipes(), SelectionRecipes(),
                             SpatialRecipes(), DenseRecipes(), RecurrentRecipes(),
                             QuantizedRecipes(), ContributedRecipes(), AttentionRecipes()}) {
      all.insert(all.end(), list.begin(), list.end());
    }
    return all;
  }();
  GraphMaker maker(OneOf<int64_t>({11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26}));
  if (!only.empty()) {
    for (const NamedRecipe& recipe : recipes) {
      if (recipe.op == only) recipe.add(maker, recipe.op);
    }
  }
  const int64_t nodes = only.empty() ? Draw(1, 5) : 0;
  for (int64_t i = 0; i < nodes; ++i) {
    const NamedRecipe& recipe = OneOf(recipes);
    recipe.add(maker, recipe.op);
  }
  if (maker.builder().get()->node().empty()) {
    const Value x = maker.Operand();
    maker.Node("Relu", {x}, x.type, x.shape);
  }
  return maker.Finish();
}

}  // namespace ephemeralml::differential
