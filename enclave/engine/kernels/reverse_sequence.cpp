#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

/// For each of a batch the first so many steps in reverse order, the rest as they are. Types: all
/// of fixed width. Source: ONNX operator ReverseSequence, version 10.
class ReverseSequence final : public Kernel {
 public:
  explicit ReverseSequence(bool batch_first) : batch_first_(batch_first) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> lengths, ReadIndexTensor(context, 1));
    if (input.shape.size() < 2) return ShapeInvalid("ReverseSequence: fewer than two axes");
    const int64_t batches = input.shape[batch_first_ ? 0 : 1];
    const int64_t steps = input.shape[batch_first_ ? 1 : 0];
    if (static_cast<int64_t>(lengths.size()) != batches) {
      return ShapeInvalid("ReverseSequence: not one length for each of the batch");
    }
    const auto is_outside = [&](int64_t length) { return length < 0 || length > steps; };
    if (std::ranges::any_of(lengths, is_outside)) {
      return InputInvalid("ReverseSequence: a length lies outside the steps");
    }
    if (wire::ElementBytes(input.type) == 0) return TypeUnsupported(input.type);
    TRY(Tensor * output, context.Output(0, input.type, input.shape));
    if (input.bytes.empty()) return {};
    const size_t row = input.bytes.size() / static_cast<size_t>(batches * steps);
    for (int64_t batch = 0; batch < batches; ++batch) {
      const int64_t length = lengths[static_cast<size_t>(batch)];
      for (int64_t step = 0; step < steps; ++step) {
        const int64_t from = step < length ? length - 1 - step : step;
        const auto place = [&](int64_t at) {
          const int64_t index = batch_first_ ? batch * steps + at : at * batches + batch;
          return static_cast<size_t>(index) * row;
        };
        CopyBytes(input.bytes.subspan(place(from), row),
                  output->MutableBytes().subspan(place(step)));
      }
    }
    return {};
  }

 private:
  bool batch_first_;
};

}  // namespace

MadeKernel MakeReverseSequence(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t batch_axis, node.attributes.Int("batch_axis", 1));
  TRY(const int64_t time_axis, node.attributes.Int("time_axis", 0));
  if (!(batch_axis == 0 && time_axis == 1) && !(batch_axis == 1 && time_axis == 0)) {
    return AttributeInvalid("ReverseSequence: batch and time must be the first two axes");
  }
  return std::make_unique<ReverseSequence>(batch_axis == 0);
}

}  // namespace ephemeralml::engine::kernels
