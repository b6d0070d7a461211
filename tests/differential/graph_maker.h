#pragma once
// What the recipes build their nodes with.

#include <optional>
#include <random>

#include "client/decompose/testing/models.h"
#include "tests/differential/random_graph.h"

namespace ephemeralml::differential {

using Shape = std::vector<int64_t>;
using wire::ElementType;

/// A whole number from `least` to `most`, drawn evenly.
int64_t Draw(int64_t least, int64_t most);
bool Chance(int percent);
template <class T>
T OneOf(const std::vector<T>& choices) {
  return choices[static_cast<size_t>(Draw(0, std::ssize(choices) - 1))];
}

struct Value {
  std::string name;
  ElementType type = ElementType::kFloat;
  std::optional<Shape> shape;
};

/// The numbers that a fresh tensor holds.
struct Numbers {
  double least = -3;
  double most = 3;
  bool constant = false;  ///< always an initializer
};

class GraphMaker {
 public:
  explicit GraphMaker(int64_t opset);

  int64_t opset() const { return opset_; }
  /// True if our engine has the operator, in the version that this graph imports.
  bool Has(const std::string& op) const;
  decompose::testing::ModelBuilder& builder() { return builder_; }

  /// A shape of `least` to `most` axes, mostly small, sometimes with ones and zeros.
  static Shape RandomShape(int64_t least, int64_t most);
  /// A shape that broadcasts with it.
  static Shape Broadcastable(const Shape& shape);

  /// A new input or initializer.
  Value Fresh(ElementType type, const Shape& shape, Numbers numbers = {});
  /// An initializer of these integers, as int64.
  Value Integers(const std::vector<int64_t>& values);
  /// An initializer of these floats: a list, or of this shape.
  Value Constants(const std::vector<float>& values, std::optional<Shape> shape = std::nullopt);
  /// A value of this type that is there already, or a fresh one; its shape is known.
  Value Operand(ElementType type = ElementType::kFloat, int64_t least_axes = 0,
                int64_t most_axes = 4);
  /// A float value, whose shape need not be known.
  Value AnyFloat();

  onnx::NodeProto* Node(const std::string& op, const std::vector<Value>& inputs, ElementType type,
                        std::optional<Shape> shape, const std::string& domain = "");
  /// Another output of the last node.
  void Output(onnx::NodeProto* node, ElementType type, std::optional<Shape> shape);
  /// What comes of rounded sums: others don't compute with it.
  void LastIsRounded();
  /// What was made fresh last isn't of the type that it seems to be of.
  void ForgetLast() { values_.pop_back(); }

  RandomGraph Finish();

 private:
  std::string NewName();
  Bytes Elements(ElementType type, size_t count, const Numbers& numbers);

  int64_t opset_;
  decompose::testing::ModelBuilder builder_;
  std::vector<Value> values_;
  std::vector<std::string> made_;
  RandomGraph graph_;
  std::mt19937_64 source_;
  int names_ = 0;
};

/// Adds a node, or nothing if what it needs isn't there.
using Recipe = void (*)(GraphMaker& maker, const std::string& op);
struct NamedRecipe {
  std::string op;
  Recipe add;
};
std::vector<NamedRecipe> ElementwiseRecipes();
std::vector<NamedRecipe> MovingRecipes();
std::vector<NamedRecipe> SelectionRecipes();
std::vector<NamedRecipe> SpatialRecipes();
std::vector<NamedRecipe> DenseRecipes();
std::vector<NamedRecipe> QuantizedRecipes();
std::vector<NamedRecipe> RecurrentRecipes();
std::vector<NamedRecipe> ContributedRecipes();
std::vector<NamedRecipe> AttentionRecipes();

}  // namespace ephemeralml::differential
