#include "client/decompose/check_types.h"

#include <algorithm>
#include <array>
#include <utility>

#include "client/decompose/onnx/tensor_data.h"
#include "common/wire/data_type.h"

namespace ephemeralml::decompose {
namespace {

using wire::ElementType;

// A set of element types, a bit for each number.
using Types = uint32_t;

constexpr Types Only(ElementType type) { return Types{1} << static_cast<unsigned>(type); }

constexpr Types kFloat32 = Only(ElementType::kFloat);
constexpr Types kBooleans = Only(ElementType::kBool);
constexpr Types kFloats = kFloat32 | Only(ElementType::kDouble);
constexpr Types kSigned = kFloats | Only(ElementType::kInt8) | Only(ElementType::kInt16) |
                          Only(ElementType::kInt32) | Only(ElementType::kInt64);
constexpr Types kNumbers = kSigned | Only(ElementType::kUint8) | Only(ElementType::kUint16) |
                           Only(ElementType::kUint32) | Only(ElementType::kUint64);
constexpr Types kBytes = Only(ElementType::kInt8) | Only(ElementType::kUint8);
constexpr Types kQuantized = kBytes | Only(ElementType::kInt16) | Only(ElementType::kUint16);
constexpr Types kSmallIntegers = Only(ElementType::kInt4) | Only(ElementType::kUint4) |
                                 Only(ElementType::kInt2) | Only(ElementType::kUint2);
constexpr Types kSmallFloats = Only(ElementType::kFloat8E4M3FN) |
                               Only(ElementType::kFloat8E4M3FNUZ) | Only(ElementType::kFloat8E5M2) |
                               Only(ElementType::kFloat8E5M2FNUZ) | Only(ElementType::kFloat4E2M1);
constexpr Types kScalable = kFloat32 | Only(ElementType::kFloat16) | Only(ElementType::kBfloat16) |
                            Only(ElementType::kInt32);
constexpr Types kUnsigned = Only(ElementType::kUint8) | Only(ElementType::kUint16) |
                            Only(ElementType::kUint32) | Only(ElementType::kUint64);
constexpr Types kIntegers = kNumbers & ~kFloats;
constexpr Types kWideNumbers = kFloats | Only(ElementType::kInt32) | Only(ElementType::kInt64) |
                               Only(ElementType::kUint32) | Only(ElementType::kUint64);
constexpr Types kStrings = Only(ElementType::kString);
constexpr Types kAny = ~Types{0};

// The engine lends 16-bit floats to kernels as floats, and whatever takes these takes them.
constexpr Types WithNarrowFloats(Types types) {
  if ((types & kFloat32) == 0) return types;
  return types | Only(ElementType::kFloat16) | Only(ElementType::kBfloat16);
}

// Which type the first output has.
enum class Gives {
  kAsFirst,
  kAsSecond,
  kAsEighth,
  kBool,
  kInt32,
  kInt64,
  kScale,
  kTo,
  kUint8,
  kValue,
  kZeroPoint
};

struct TypeRule {
  std::string_view op;
  Types takes;    // as its first inputs
  size_t inputs;  // how many of them
  Gives gives;
};

// What the engine's kernels take and give; operators that aren't here take what they take by their
// inputs' values, or give what can't be told. Sorted.
constexpr auto kRules = std::to_array<TypeRule>({
    {"Abs", kNumbers, 1, Gives::kAsFirst},
    {"Acos", kFloats, 1, Gives::kAsFirst},
    {"Acosh", kFloats, 1, Gives::kAsFirst},
    {"Add", kNumbers, 2, Gives::kAsFirst},
    {"And", kBooleans, 2, Gives::kBool},
    {"ArgMax", kNumbers, 1, Gives::kInt64},
    {"ArgMin", kNumbers, 1, Gives::kInt64},
    {"Asin", kFloats, 1, Gives::kAsFirst},
    {"Asinh", kFloats, 1, Gives::kAsFirst},
    {"Atan", kFloats, 1, Gives::kAsFirst},
    {"Atanh", kFloats, 1, Gives::kAsFirst},
    {"Attention", kFloat32, 3, Gives::kAsFirst},
    {"AveragePool", kFloat32, 1, Gives::kAsFirst},
    {"BatchNormalization", kFloat32, 5, Gives::kAsFirst},
    {"BitCast", kAny & ~kStrings, 1, Gives::kTo},
    {"BitShift", kUnsigned, 2, Gives::kAsFirst},
    {"BitwiseAnd", kIntegers, 2, Gives::kAsFirst},
    {"BitwiseNot", kIntegers, 1, Gives::kAsFirst},
    {"BitwiseOr", kIntegers, 2, Gives::kAsFirst},
    {"BitwiseXor", kIntegers, 2, Gives::kAsFirst},
    {"Cast", kAny, 1, Gives::kTo},
    {"CastLike", kAny, 1, Gives::kAsSecond},
    {"CausalConvWithState", kFloat32, 4, Gives::kAsFirst},
    {"Ceil", kFloats, 1, Gives::kAsFirst},
    {"Celu", kFloats, 1, Gives::kAsFirst},
    {"CenterCropPad", kAny, 1, Gives::kAsFirst},
    {"Clip", kNumbers, 1, Gives::kAsFirst},
    {"Col2Im", kNumbers, 1, Gives::kAsFirst},
    {"Compress", kAny, 1, Gives::kAsFirst},
    {"Concat", kAny, 1, Gives::kAsFirst},
    {"ConstantOfShape", kAny, 0, Gives::kValue},
    {"Conv", kFloat32, 3, Gives::kAsFirst},
    {"ConvInteger", kBytes, 2, Gives::kInt32},
    {"ConvTranspose", kFloat32, 3, Gives::kAsFirst},
    {"Cos", kFloats, 1, Gives::kAsFirst},
    {"Cosh", kFloats, 1, Gives::kAsFirst},
    {"CumProd", kNumbers, 1, Gives::kAsFirst},
    {"CumSum", kNumbers, 1, Gives::kAsFirst},
    {"DFT", kFloats, 1, Gives::kAsFirst},
    {"DeformConv", kFloat32, 5, Gives::kAsFirst},
    {"DepthToSpace", kAny, 1, Gives::kAsFirst},
    {"DequantizeLinear", kQuantized | Only(ElementType::kInt32) | kSmallIntegers | kSmallFloats, 1,
     Gives::kScale},
    {"Det", kFloats, 1, Gives::kAsFirst},
    {"Div", kNumbers, 2, Gives::kAsFirst},
    {"Dropout", kAny, 1, Gives::kAsFirst},
    {"DynamicQuantizeLinear", kFloat32, 1, Gives::kUint8},
    {"Elu", kFloats, 1, Gives::kAsFirst},
    {"Equal", kNumbers | kBooleans | kStrings, 2, Gives::kBool},
    {"Erf", kFloats, 1, Gives::kAsFirst},
    {"Exp", kFloats, 1, Gives::kAsFirst},
    {"Expand", kAny, 1, Gives::kAsFirst},
    {"Flatten", kAny, 1, Gives::kAsFirst},
    {"Floor", kFloats, 1, Gives::kAsFirst},
    {"GRU", kFloat32, 3, Gives::kAsFirst},
    {"Gather", kAny, 1, Gives::kAsFirst},
    {"GatherElements", kAny, 1, Gives::kAsFirst},
    {"GatherND", kAny, 1, Gives::kAsFirst},
    {"Gelu", kFloats, 1, Gives::kAsFirst},
    {"Gemm", kFloat32, 3, Gives::kAsFirst},
    {"GlobalAveragePool", kFloat32, 1, Gives::kAsFirst},
    {"GlobalLpPool", kFloat32, 1, Gives::kAsFirst},
    {"GlobalMaxPool", kFloat32, 1, Gives::kAsFirst},
    {"Greater", kNumbers, 2, Gives::kBool},
    {"GreaterOrEqual", kNumbers, 2, Gives::kBool},
    {"GridSample", kFloats, 2, Gives::kAsFirst},
    {"GroupNormalization", kFloats, 3, Gives::kAsFirst},
    {"HardSigmoid", kFloats, 1, Gives::kAsFirst},
    {"HardSwish", kFloats, 1, Gives::kAsFirst},
    {"Hardmax", kFloats, 1, Gives::kAsFirst},
    {"Identity", kAny, 1, Gives::kAsFirst},
    {"InstanceNormalization", kFloats, 3, Gives::kAsFirst},
    {"IsInf", kFloats, 1, Gives::kBool},
    {"IsNaN", kFloats, 1, Gives::kBool},
    {"LRN", kFloats, 1, Gives::kAsFirst},
    {"LSTM", kFloat32, 3, Gives::kAsFirst},
    {"LayerNormalization", kFloats, 3, Gives::kAsFirst},
    {"LeakyRelu", kFloats, 1, Gives::kAsFirst},
    {"Less", kNumbers, 2, Gives::kBool},
    {"LessOrEqual", kNumbers, 2, Gives::kBool},
    {"LinearAttention", kFloat32, 3, Gives::kAsFirst},
    {"Log", kFloats, 1, Gives::kAsFirst},
    {"LogSoftmax", kFloats, 1, Gives::kAsFirst},
    {"LpNormalization", kFloats, 1, Gives::kAsFirst},
    {"LpPool", kFloat32, 1, Gives::kAsFirst},
    {"MatMul", kFloat32, 2, Gives::kAsFirst},
    {"MatMulInteger", kBytes, 2, Gives::kInt32},
    {"Max", kNumbers, 1, Gives::kAsFirst},
    {"MaxPool", kFloat32 | Only(ElementType::kInt8) | Only(ElementType::kUint8), 1,
     Gives::kAsFirst},
    {"MaxRoiPool", kFloat32, 2, Gives::kAsFirst},
    {"MaxUnpool", kAny, 1, Gives::kAsFirst},
    {"Mean", kFloats, 1, Gives::kAsFirst},
    {"MeanVarianceNormalization", kFloats, 1, Gives::kAsFirst},
    {"Min", kNumbers, 1, Gives::kAsFirst},
    {"Mish", kFloats, 1, Gives::kAsFirst},
    {"Mod", kNumbers, 2, Gives::kAsFirst},
    {"Mul", kNumbers, 2, Gives::kAsFirst},
    {"Neg", kSigned, 1, Gives::kAsFirst},
    {"NegativeLogLikelihoodLoss", kFloats, 1, Gives::kAsFirst},
    {"NonMaxSuppression", kFloat32, 2, Gives::kInt64},
    {"NonZero", kNumbers | kBooleans, 1, Gives::kInt64},
    {"Not", kBooleans, 1, Gives::kBool},
    {"Or", kBooleans, 2, Gives::kBool},
    {"PRelu", kFloats, 2, Gives::kAsFirst},
    {"Pad", kAny, 1, Gives::kAsFirst},
    {"Pow", kNumbers, 2, Gives::kAsFirst},
    {"QLinearConv", kBytes, 1, Gives::kAsEighth},
    {"QLinearMatMul", kBytes, 1, Gives::kAsEighth},
    {"QuantizeLinear", kScalable, 1, Gives::kZeroPoint},
    {"RMSNormalization", kFloats, 2, Gives::kAsFirst},
    {"RNN", kFloat32, 3, Gives::kAsFirst},
    {"Range", kAny, 1, Gives::kAsFirst},
    {"Reciprocal", kFloats, 1, Gives::kAsFirst},
    {"ReduceL1", kWideNumbers, 1, Gives::kAsFirst},
    {"ReduceL2", kWideNumbers, 1, Gives::kAsFirst},
    {"ReduceLogSum", kFloats, 1, Gives::kAsFirst},
    {"ReduceLogSumExp", kFloats, 1, Gives::kAsFirst},
    {"ReduceMax", kNumbers | kBooleans, 1, Gives::kAsFirst},
    {"ReduceMean", kNumbers, 1, Gives::kAsFirst},
    {"ReduceMin", kNumbers | kBooleans, 1, Gives::kAsFirst},
    {"ReduceProd", kWideNumbers, 1, Gives::kAsFirst},
    {"ReduceSum", kNumbers, 1, Gives::kAsFirst},
    {"ReduceSumSquare", kWideNumbers, 1, Gives::kAsFirst},
    {"RegexFullMatch", kStrings, 1, Gives::kBool},
    {"Relu", kSigned, 1, Gives::kAsFirst},
    {"Reshape", kAny, 1, Gives::kAsFirst},
    {"Resize", kNumbers, 1, Gives::kAsFirst},
    {"ReverseSequence", kAny, 1, Gives::kAsFirst},
    {"RoiAlign", kFloat32, 2, Gives::kAsFirst},
    {"RotaryEmbedding", kFloat32, 3, Gives::kAsFirst},
    {"Round", kFloats, 1, Gives::kAsFirst},
    {"STFT", kFloats, 1, Gives::kAsFirst},
    {"Scatter", kAny, 1, Gives::kAsFirst},
    {"ScatterElements", kAny, 1, Gives::kAsFirst},
    {"ScatterND", kAny, 1, Gives::kAsFirst},
    {"Selu", kFloats, 1, Gives::kAsFirst},
    {"Shape", kAny, 1, Gives::kInt64},
    {"Shrink", kNumbers, 1, Gives::kAsFirst},
    {"Sigmoid", kFloats, 1, Gives::kAsFirst},
    {"Sign", kNumbers, 1, Gives::kAsFirst},
    {"Sin", kFloats, 1, Gives::kAsFirst},
    {"Sinh", kFloats, 1, Gives::kAsFirst},
    {"Size", kAny, 1, Gives::kInt64},
    {"Slice", kAny, 1, Gives::kAsFirst},
    {"Softmax", kFloats, 1, Gives::kAsFirst},
    {"SoftmaxCrossEntropyLoss", kFloats, 1, Gives::kAsFirst},
    {"Softplus", kFloats, 1, Gives::kAsFirst},
    {"Softsign", kFloats, 1, Gives::kAsFirst},
    {"SpaceToDepth", kAny, 1, Gives::kAsFirst},
    {"Split", kAny, 1, Gives::kAsFirst},
    {"Sqrt", kFloats, 1, Gives::kAsFirst},
    {"Squeeze", kAny, 1, Gives::kAsFirst},
    {"StringConcat", kStrings, 2, Gives::kAsFirst},
    {"StringNormalizer", kStrings, 1, Gives::kAsFirst},
    {"Sub", kNumbers, 2, Gives::kAsFirst},
    {"Sum", kFloats, 1, Gives::kAsFirst},
    {"Tan", kFloats, 1, Gives::kAsFirst},
    {"Tanh", kFloats, 1, Gives::kAsFirst},
    {"TensorScatter", kAny, 2, Gives::kAsFirst},
    {"ThresholdedRelu", kFloats, 1, Gives::kAsFirst},
    {"Tile", kAny, 1, Gives::kAsFirst},
    {"TopK", kNumbers, 1, Gives::kAsFirst},
    {"Transpose", kAny, 1, Gives::kAsFirst},
    {"Trilu", kAny, 1, Gives::kAsFirst},
    {"Unique", kNumbers | kBooleans | kStrings, 1, Gives::kAsFirst},
    {"Unsqueeze", kAny, 1, Gives::kAsFirst},
    {"Where", kBooleans, 1, Gives::kAsSecond},
    {"Xor", kBooleans, 2, Gives::kBool},
});
static_assert(std::ranges::is_sorted(kRules, {}, &TypeRule::op));

const TypeRule* FindRule(const ProgramNode& node) {
  if (!node.domain.empty()) return nullptr;
  const auto rule = std::ranges::lower_bound(kRules, node.op, {}, &TypeRule::op);
  return rule != kRules.end() && rule->op == node.op ? &*rule : nullptr;
}

const onnx::Attribute* FindAttribute(const ProgramNode& node, std::string_view name) {
  if (node.source == nullptr) return nullptr;
  const auto& attributes = node.source->attributes;
  const auto found = std::ranges::find(attributes, name, &onnx::Attribute::name);
  return found == attributes.end() ? nullptr : &*found;
}

// The type that an attribute names by its number; kUndefined without it.
ElementType NamedType(const ProgramNode& node, std::string_view name) {
  const auto number = IntAttribute(node, name).value_or(0);
  return std::in_range<int>(number) ? wire::ElementTypeFromNumber(static_cast<int>(number))
                                    : ElementType::kUndefined;
}

class TypeChecker {
 public:
  explicit TypeChecker(const Program& program) : program_(program) {
    for (const ProgramValue& input : program.main.inputs) {
      types_[input.id] = wire::ElementTypeFromNumber(input.source->element_type);
    }
  }

  std::vector<std::string> Check() {
    CheckGraph(program_.main);
    return std::move(causes_);
  }

 private:
  ElementType TypeOf(ValueId id) const {
    const auto constant = program_.constants.find(id);
    if (constant != program_.constants.end()) {
      const onnx::Tensor* tensor = constant->second.tensor;
      return tensor == nullptr ? ElementType::kUndefined : onnx::TypeOf(*tensor);
    }
    const auto known = types_.find(id);
    return known == types_.end() ? ElementType::kUndefined : known->second;
  }

  ElementType TypeOfInput(const ProgramNode& node, size_t index) const {
    return index < node.inputs.size() ? TypeOf(node.inputs[index]) : ElementType::kUndefined;
  }

  void CheckGraph(const ProgramGraph& graph) {
    for (const ProgramNode& node : graph.nodes) {
      for (const ProgramGraph& subgraph : node.subgraphs) CheckGraph(subgraph);
      CheckNode(node);
    }
  }

  void CheckNode(const ProgramNode& node) {
    if (node.op == "If" && node.domain.empty() && !node.subgraphs.empty()) {
      return GiveBranchOutputs(node, node.subgraphs.front());
    }
    const TypeRule* rule = FindRule(node);
    if (rule == nullptr) return;
    for (size_t i = 0; i < std::min(rule->inputs, node.inputs.size()); ++i) {
      const ElementType type = TypeOf(node.inputs[i]);
      if (type == ElementType::kUndefined || (WithNarrowFloats(rule->takes) & Only(type)) != 0) {
        continue;
      }
      causes_.push_back("the " + Describe(node) + " (computes on no " +
                        std::string(wire::Name(type)) + ")");
      break;
    }
    GiveOutputs(node, rule->gives);
  }

  void GiveBranchOutputs(const ProgramNode& node, const ProgramGraph& branch) {
    for (size_t i = 0; i < std::min(node.outputs.size(), branch.outputs.size()); ++i) {
      types_[node.outputs[i]] = TypeOf(branch.outputs[i].id);
    }
  }

  void GiveOutputs(const ProgramNode& node, Gives gives) {
    if (node.outputs.empty()) return;
    types_[node.outputs[0]] = FirstOutput(node, gives);
    if (node.op != "Split") return;
    for (const ValueId output : node.outputs) types_[output] = TypeOfInput(node, 0);
  }

  ElementType FirstOutput(const ProgramNode& node, Gives gives) const {
    switch (gives) {
      case Gives::kAsFirst:
        return TypeOfInput(node, 0);
      case Gives::kAsSecond:
        return TypeOfInput(node, 1);
      case Gives::kAsEighth:
        return TypeOfInput(node, 7);
      case Gives::kBool:
        return ElementType::kBool;
      case Gives::kInt32:
        return ElementType::kInt32;
      case Gives::kInt64:
        return ElementType::kInt64;
      case Gives::kScale: {
        const auto type = NamedType(node, "output_dtype");
        return type == ElementType::kUndefined ? TypeOfInput(node, 1) : type;
      }
      case Gives::kTo:
        return NamedType(node, "to");
      case Gives::kUint8:
        return ElementType::kUint8;
      case Gives::kZeroPoint: {
        if (node.inputs.size() > 2 && node.inputs[2] != 0) return TypeOfInput(node, 2);
        const auto type = NamedType(node, "output_dtype");
        return type == ElementType::kUndefined ? ElementType::kUint8 : type;
      }
      case Gives::kValue: {
        const onnx::Attribute* value = FindAttribute(node, "value");
        if (value == nullptr) return ElementType::kFloat;
        return value->tensor ? onnx::TypeOf(*value->tensor) : ElementType::kUndefined;
      }
    }
    return ElementType::kUndefined;
  }

  const Program& program_;
  std::map<ValueId, ElementType> types_;
  std::vector<std::string> causes_;
};

}  // namespace

std::vector<std::string> FindTypeCauses(const Program& program) {
  return TypeChecker(program).Check();
}

}  // namespace ephemeralml::decompose
