#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/prepare/epilogue.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"
#include "client/decompose/prepare/window.h"

namespace ephemeralml::decompose {
namespace {

// What is done to each channel before anything else: scale * x + shift.
struct Affine {
  std::vector<double> scale;
  std::vector<double> shift;
  bool has_scale = false;
  bool has_shift = false;
  /// A scale rounds each weight anew, which sums of a few products show: of these, a normalization
  /// alone is worth it. Numbers are left to be multiplied and added afterwards.
  bool is_of_few = false;
  float factor = 1;
  float term = 0;
  const ProgramNode* last = nullptr;
};

class ConvFuser {
 public:
  ConvFuser(Rewriter& rewriter, const Facts& facts, onnx::ExternalFiles& files)
      : rewriter_(rewriter), facts_(facts), files_(files) {}

  void TryFuse(const ProgramNode& conv) {
    const ValueId weight = InputOf(conv, 1);
    const onnx::Tensor* tensor = FloatConstant(rewriter_.program(), weight);
    if (tensor == nullptr || tensor->dims.size() != 4) return;
    if (std::ranges::any_of(tensor->dims, [](int64_t dim) { return dim <= 0; })) return;
    // Dimensions may promise anything; what follows makes lists of that length.
    if (!onnx::ReadTensorData(*tensor, files_)) return;
    const int64_t channels = tensor->dims[0];
    const int64_t groups = IntAttribute(conv, "group").value_or(1);
    const bool is_depthwise = groups > 1 && groups == channels && tensor->dims[1] == 1;
    if (groups != 1 && !is_depthwise) return;
    auto window = ResolvedWindow(conv, {tensor->dims[2], tensor->dims[3]});
    auto affine = StartAffine(conv, channels);
    if (!window || !affine) return;
    affine->is_of_few = is_depthwise;
    const ValueId input = TakeInputAffine(conv, *tensor, *affine);
    FollowAffine(*affine);
    if (is_depthwise) FollowNumbers(*affine);
    Emit(input, weight, is_depthwise ? "DepthwiseConv" : "Conv", *affine, *std::move(window));
  }

 private:
  // A constant of one float, or of one a channel at axis 1 of four.
  std::optional<std::vector<double>> ChannelValues(ValueId value, size_t channels) {
    const onnx::Tensor* tensor = FloatConstant(rewriter_.program(), value);
    if (tensor == nullptr || tensor->dims.size() > 4) return std::nullopt;
    const auto& dims = tensor->dims;
    for (size_t i = 0; i < dims.size(); ++i) {
      const bool is_channel_axis = dims.size() - i == 3;
      const bool fits = dims[i] == 1 || (is_channel_axis && std::cmp_equal(dims[i], channels));
      if (!fits) return std::nullopt;
    }
    return Read(*tensor, channels);
  }

  // One float a channel, or one for all.
  std::optional<std::vector<double>> Read(const onnx::Tensor& tensor, size_t channels) {
    const auto data = onnx::ReadTensorData(tensor, files_);
    if (!data) return std::nullopt;
    std::vector<float> floats(data->bytes().size() / sizeof(float));
    std::memcpy(floats.data(), data->bytes().data(), data->bytes().size());
    if (floats.size() == 1) floats.assign(channels, floats[0]);
    if (floats.size() != channels) return std::nullopt;
    return std::vector<double>(floats.begin(), floats.end());
  }

  // A constant [channels].
  std::optional<std::vector<double>> Row(ValueId value, size_t channels) {
    const onnx::Tensor* tensor = FloatConstant(rewriter_.program(), value);
    const bool fits =
        tensor != nullptr && tensor->dims.size() == 1 && std::cmp_equal(tensor->dims[0], channels);
    return fits ? Read(*tensor, channels) : std::nullopt;
  }

  std::optional<Affine> StartAffine(const ProgramNode& conv, int64_t channels) {
    const auto count = static_cast<size_t>(channels);
    Affine affine{std::vector<double>(count, 1),
                  std::vector<double>(count),
                  false,
                  false,
                  false,
                  1,
                  0,
                  &conv};
    if (const ValueId bias = InputOf(conv, 2); bias != 0) {
      auto values = Row(bias, count);
      if (!values) return std::nullopt;
      affine.shift = *std::move(values);
      affine.has_shift = true;
    }
    return affine;
  }

  // Numbers that the input is multiplied by and that are added to it, where no padding stands
  // beside them: conv(a x + b) = a conv(x) + b times the sum of each channel's weights. What is
  // left of the input is returned.
  ValueId TakeInputAffine(const ProgramNode& conv, const onnx::Tensor& weight, Affine& affine) {
    const auto pads = IntsAttribute(conv, "pads").value_or(std::vector<int64_t>());
    const bool is_padded = std::ranges::any_of(pads, [](int64_t pad) { return pad != 0; }) ||
                           StringAttribute(conv, "auto_pad").value_or("NOTSET") != "NOTSET";
    ValueId input = conv.inputs[0];
    double factor = 1;
    double term = 0;
    while (!is_padded && rewriter_.OnlyUser(input) != nullptr) {
      const ProgramNode* node = rewriter_.Producer(input);
      const bool is_sum = node != nullptr && Is(*node, "Add");
      const bool is_product = node != nullptr && Is(*node, "Mul");
      const auto parts = is_sum || is_product ? WithScalar(facts_, *node) : std::nullopt;
      if (!parts) break;
      const auto scalar = static_cast<double>(parts->scalar);
      if (is_sum) {
        term += factor * scalar;
      } else {
        factor *= scalar;
      }
      input = parts->value;
    }
    if (input == conv.inputs[0]) return input;
    const auto sums = WeightSums(weight);
    if (!sums) return conv.inputs[0];
    Affine changed = affine;
    for (size_t i = 0; i < sums->size(); ++i) changed.shift[i] += term * (*sums)[i];
    changed.scale.assign(changed.scale.size(), factor);
    const auto is_float = [](double value) { return std::isfinite(static_cast<float>(value)); };
    if (!is_float(factor) || !std::ranges::all_of(changed.shift, is_float)) return conv.inputs[0];
    changed.has_scale = factor != 1;
    changed.has_shift = affine.has_shift || term != 0;
    affine = std::move(changed);
    return input;
  }

  std::optional<std::vector<double>> WeightSums(const onnx::Tensor& weight) {
    const auto data = onnx::ReadTensorData(weight, files_);
    if (!data) return std::nullopt;
    const auto channels = static_cast<size_t>(weight.dims[0]);
    const size_t each = data->bytes().size() / sizeof(float) / channels;
    std::vector<double> sums(channels);
    for (size_t i = 0; i < channels * each; ++i) {
      float value = 0;
      std::memcpy(&value, data->bytes().data() + i * sizeof(float), sizeof(float));
      sums[i / each] += static_cast<double>(value);
    }
    return sums;
  }

  void FollowAffine(Affine& affine) {
    while (true) {
      const ValueId value = affine.last->outputs[0];
      const ProgramNode* user = rewriter_.OnlyUser(value);
      // What begins an activation may look like a sum.
      if (user == nullptr || MatchActivation(rewriter_, facts_, value)) return;
      const bool taken = Is(*user, "BatchNormalization") ? TakeNormalization(*user, affine)
                                                         : TakeArithmetic(*user, value, affine);
      if (!taken) return;
      affine.last = user;
    }
  }

  // A product with a number and a sum with one, in this order, if an activation follows: a
  // convolution that follows takes them by itself.
  void FollowNumbers(Affine& affine) {
    Affine followed = affine;
    if (const auto scaled = NumberAfter(followed, "Mul")) {
      followed.factor = scaled->scalar;
      followed.last = scaled->node;
    }
    if (const auto shifted = NumberAfter(followed, "Add")) {
      followed.term = shifted->scalar;
      followed.last = shifted->node;
    }
    if (MatchActivation(rewriter_, facts_, followed.last->outputs[0])) affine = followed;
  }

  struct Number {
    float scalar;
    const ProgramNode* node;
  };

  std::optional<Number> NumberAfter(const Affine& affine, std::string_view op) {
    // Lanes past the channels get the term.
    constexpr float kMost = 1e6F;
    const ValueId value = affine.last->outputs[0];
    const ProgramNode* user = rewriter_.OnlyUser(value);
    if (user == nullptr || !Is(*user, op) || MatchActivation(rewriter_, facts_, value)) {
      return std::nullopt;
    }
    const auto parts = WithScalar(facts_, *user);
    if (!parts || parts->value != value || !(std::abs(parts->scalar) <= kMost)) return std::nullopt;
    return Number{parts->scalar, user};
  }

  // Source: ONNX operator BatchNormalization, versions 7 to 15, in inference.
  bool TakeNormalization(const ProgramNode& node, Affine& affine) {
    const size_t count = affine.scale.size();
    const bool is_plain = IntAttribute(node, "training_mode").value_or(0) == 0 &&
                          IntAttribute(node, "spatial").value_or(1) != 0;
    const bool has_more = std::any_of(node.outputs.begin() + 1, node.outputs.end(),
                                      [&](ValueId extra) { return rewriter_.UseCount(extra) > 0; });
    if (!is_plain || has_more || InputOf(node, 0) != affine.last->outputs[0]) return false;
    const auto scale = Row(InputOf(node, 1), count);
    const auto bias = Row(InputOf(node, 2), count);
    const auto mean = Row(InputOf(node, 3), count);
    const auto variance = Row(InputOf(node, 4), count);
    if (!scale || !bias || !mean || !variance) return false;
    const auto epsilon = static_cast<double>(FloatAttribute(node, "epsilon").value_or(1e-5F));
    std::vector<double> factors(count);
    std::vector<double> terms(count);
    for (size_t i = 0; i < count; ++i) {
      factors[i] = (*scale)[i] / std::sqrt((*variance)[i] + epsilon);
      terms[i] = (*bias)[i] - (*mean)[i] * factors[i];
    }
    return Apply(factors, terms, affine);
  }

  bool TakeArithmetic(const ProgramNode& node, ValueId value, Affine& affine) {
    const size_t count = affine.scale.size();
    const ValueId other = OtherOperand(node, value);
    const auto values = other == 0 ? std::nullopt : ChannelValues(other, count);
    if (!values) return false;
    const std::vector<double> ones(count, 1);
    const std::vector<double> zeros(count, 0);
    if (Is(node, "Add")) return Apply(ones, *values, affine);
    const bool may_scale = !affine.is_of_few;
    if (Is(node, "Mul")) return may_scale && Apply(*values, zeros, affine);
    if (node.inputs[0] != value) return false;
    std::vector<double> inverse = *values;
    if (Is(node, "Sub")) {
      for (double& term : inverse) term = -term;
      return Apply(ones, inverse, affine);
    }
    if (!Is(node, "Div") || !may_scale) return false;
    for (double& factor : inverse) factor = 1 / factor;
    return Apply(inverse, zeros, affine);
  }

  // False, and nothing changed, if a result is no float.
  static bool Apply(const std::vector<double>& factors, const std::vector<double>& terms,
                    Affine& affine) {
    Affine changed = affine;
    for (size_t i = 0; i < factors.size(); ++i) {
      changed.scale[i] = changed.scale[i] * factors[i];
      changed.shift[i] = changed.shift[i] * factors[i] + terms[i];
      if (!std::isfinite(static_cast<float>(changed.scale[i])) ||
          !std::isfinite(static_cast<float>(changed.shift[i]))) {
        return false;
      }
      changed.has_scale = changed.has_scale || factors[i] != 1;
      changed.has_shift = changed.has_shift || terms[i] != 0;
    }
    affine = std::move(changed);
    return true;
  }

  const onnx::Tensor* Bias(const Affine& affine) {
    if (!affine.has_shift) return nullptr;
    const std::vector<float> floats(affine.shift.begin(), affine.shift.end());
    const auto* bytes = reinterpret_cast<const uint8_t*>(floats.data());
    return &AddLiteral(rewriter_.program(), wire::ElementType::kFloat,
                       {static_cast<int64_t>(floats.size())},
                       {bytes, floats.size() * sizeof(float)});
  }

  // Sealed as any float is.
  ValueId AddNumbers(const Affine& affine) {
    Program& program = rewriter_.program();
    const std::array<float, 2> numbers = {affine.factor, affine.term};
    const auto* bytes = reinterpret_cast<const uint8_t*>(numbers.data());
    const ValueId id = program.next_id++;
    program.constants[id] = {
        {}, &AddLiteral(program, wire::ElementType::kFloat, {2}, {bytes, sizeof numbers})};
    return id;
  }

  void Emit(ValueId input, ValueId weight, std::string_view op, const Affine& affine,
            std::vector<ProgramAttribute> attributes) {
    const auto no_bias = [](ValueId) -> const onnx::Tensor* { return nullptr; };
    const Epilogue epilogue = FollowEpilogue(rewriter_, facts_, *affine.last, nullptr, no_bias);
    Packing packing{.transposed = false, .bias = Bias(affine), .channel_scale = {}};
    if (affine.has_scale) packing.channel_scale.assign(affine.scale.begin(), affine.scale.end());
    std::vector<ValueId> inputs = {input, weight};
    if (epilogue.residual != 0) inputs.push_back(epilogue.residual);
    for (ProgramAttribute& attribute : ActivationAttributes(epilogue.activation)) {
      attributes.push_back(std::move(attribute));
    }
    if (affine.factor != 1 || affine.term != 0) {
      inputs.resize(3);
      inputs.push_back(AddNumbers(affine));
    }
    rewriter_.program().packings[weight] = std::move(packing);
    rewriter_.Replace(epilogue.last, OwnNode(op, std::move(inputs), epilogue.last->outputs[0],
                                             std::move(attributes)));
  }

  Rewriter& rewriter_;
  const Facts& facts_;
  onnx::ExternalFiles& files_;
};

}  // namespace

void FuseConv(Program& program, ProgramGraph& graph, const Facts& facts,
              onnx::ExternalFiles& files) {
  Rewriter rewriter(program, graph);
  ConvFuser fuser(rewriter, facts, files);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (Is(node, "Conv")) fuser.TryFuse(node);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
