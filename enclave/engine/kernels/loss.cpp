// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: loss terms that exported networks keep.

#include <algorithm>
#include <cmath>
#include <optional>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

enum class LossReduction { kNone, kSum, kMean };

// Scores are [batch, classes, places], targets [batch, places].
struct LossShape {
  size_t batch = 0;
  size_t classes = 0;
  size_t places = 1;
};

template <class T>
void LogarithmsOfSoftmax(const LossShape& s, const T* scores, T* logarithms) {
  for (size_t row = 0; row < s.batch * s.places; ++row) {
    const size_t first = row / s.places * s.classes * s.places + row % s.places;
    T largest = scores[first];
    for (size_t c = 1; c < s.classes; ++c) {
      largest = std::max(largest, scores[first + c * s.places]);
    }
    double sum = 0;
    for (size_t c = 0; c < s.classes; ++c) {
      sum += std::exp(static_cast<double>(scores[first + c * s.places] - largest));
    }
    const auto shift = static_cast<T>(static_cast<double>(largest) + std::log(sum));
    for (size_t c = 0; c < s.classes; ++c) {
      logarithms[first + c * s.places] = scores[first + c * s.places] - shift;
    }
  }
}

/// The mean is weighted where weights are given. Targets of `ignore_index` count for nothing.
/// Types: float and double. Errors: kMalformed `input_invalid` (a target is no class),
/// `shape_invalid`. Source: ONNX operators NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss,
/// versions 12 and 13.
class Loss final : public Kernel {
 public:
  Loss(LossReduction reduction, std::optional<int64_t> ignored, bool takes_softmax)
      : reduction_(reduction), ignored_(ignored), takes_softmax_(takes_softmax) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView scores, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> targets, ReadIndexTensor(context, 1));
    TRY(const LossShape shape, ReadShape(scores.shape, context.InputShape(1)));
    return WithType(FloatTypes{}, scores.type, [&]<class T>(std::type_identity<T>) {
      return Apply<T>(context, scores, targets, shape);
    });
  }

 private:
  static Result<LossShape> ReadShape(const Shape& scores, const Shape& targets) {
    if (scores.size() < 2) return ShapeInvalid("a loss's scores have fewer than two axes");
    Shape expected = scores;
    expected.erase(expected.begin() + 1);
    if (targets != expected) return ShapeInvalid("a loss's targets and scores don't fit");
    LossShape shape{static_cast<size_t>(scores[0]), static_cast<size_t>(scores[1]), 1};
    TRY(shape.places, CountBetween(scores, 2, scores.size()));
    if (shape.classes == 0) return ShapeInvalid("a loss has no classes");
    return shape;
  }

  template <class T>
  Done Apply(KernelContext& context, const TensorView& scores, const std::vector<int64_t>& targets,
             const LossShape& shape) const {
    const T* logarithms = Raw<T>(scores);
    ArenaBlock block;
    if (takes_softmax_) {
      TRY(block, context.Scratch(scores.bytes.size()));
      auto* made = reinterpret_cast<T*>(block.bytes().data());
      LogarithmsOfSoftmax(shape, logarithms, made);
      logarithms = made;
      TRY_OK(GiveLogarithms(context, scores, std::as_const(block).bytes()));
    }
    const T* weights = nullptr;
    if (context.HasInput(2)) {
      TRY(const TensorView view, RequiredInput(context, 2));
      if (view.type != scores.type || view.shape != Shape{scores.shape[1]}) {
        return ShapeInvalid("a loss's weights aren't one number a class");
      }
      weights = Raw<T>(view);
    }
    const bool reduces = reduction_ != LossReduction::kNone;
    TRY(Tensor * output, context.Output(0, scores.type, reduces ? Shape{} : context.InputShape(1)));
    return Sum(targets, shape, logarithms, weights, Raw<T>(*output));
  }

  static Done GiveLogarithms(KernelContext& context, const TensorView& scores, ByteSpan bytes) {
    if (!context.WantsOutput(1)) return {};
    TRY(Tensor * output, context.Output(1, scores.type, scores.shape));
    CopyBytes(bytes, output->MutableBytes());
    return {};
  }

  template <class T>
  Done Sum(const std::vector<int64_t>& targets, const LossShape& s, const T* logarithms,
           const T* weights, T* output) const {
    double sum = 0;
    double weight_sum = 0;
    for (size_t i = 0; i < targets.size(); ++i) {
      const bool counts = !ignored_ || targets[i] != *ignored_;
      T loss = 0;
      if (counts) {
        if (targets[i] < 0 || targets[i] >= static_cast<int64_t>(s.classes)) {
          return InputInvalid("a loss's target is no class");
        }
        const auto target = static_cast<size_t>(targets[i]);
        const T weight = weights == nullptr ? T{1} : weights[target];
        const size_t at = (i / s.places * s.classes + target) * s.places + i % s.places;
        loss = -logarithms[at] * weight;
        weight_sum += static_cast<double>(weight);
      }
      sum += static_cast<double>(loss);
      if (reduction_ == LossReduction::kNone) output[i] = loss;
    }
    if (reduction_ == LossReduction::kSum) *output = static_cast<T>(sum);
    if (reduction_ == LossReduction::kMean) *output = static_cast<T>(sum / weight_sum);
    return {};
  }

  LossReduction reduction_;
  std::optional<int64_t> ignored_;
  bool takes_softmax_;
};

MadeKernel MakeLoss(const NodeSpec& node, bool takes_softmax) {
  TRY_OK(CheckArity(node, {.least_inputs = 2,
                           .most_inputs = 3,
                           .most_outputs = takes_softmax ? size_t{2} : size_t{1}}));
  TRY(const std::string name, node.attributes.String("reduction", "mean"));
  const std::string_view reduction = name;
  std::optional<int64_t> ignored;
  if (node.attributes.Has("ignore_index")) {
    TRY(ignored, node.attributes.RequiredInt("ignore_index"));
  }
  LossReduction chosen = LossReduction::kMean;
  if (reduction == "none") {
    chosen = LossReduction::kNone;
  } else if (reduction == "sum") {
    chosen = LossReduction::kSum;
  } else if (reduction != "mean") {
    return AttributeInvalid(node.op + ": attribute 'reduction' must be none, sum or mean");
  }
  return std::make_unique<Loss>(chosen, ignored, takes_softmax);
}

}  // namespace

MadeKernel MakeNegativeLogLikelihoodLoss(const NodeSpec& node) { return MakeLoss(node, false); }

MadeKernel MakeSoftmaxCrossEntropyLoss(const NodeSpec& node) { return MakeLoss(node, true); }

}  // namespace ephemeralml::engine::kernels
