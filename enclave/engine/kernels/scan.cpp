#include <algorithm>

#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/stack.h"

namespace ephemeralml::engine::kernels {
namespace {

Error BodyDiffers() {
  return {Code::kMalformed, "topology_malformed",
          "a scan's body takes or makes another number of values than its node lists"};
}

// Which way and along which axis each scanned input or output goes.
struct Directions {
  std::vector<int64_t> axes;
  std::vector<int64_t> backwards;

  int64_t AxisOf(size_t i) const { return axes.empty() ? 0 : axes[i]; }
  bool IsBackwards(size_t i) const { return !backwards.empty() && backwards[i] != 0; }
  bool Fit(size_t count) const {
    return (axes.empty() || axes.size() == count) &&
           (backwards.empty() || backwards.size() == count);
  }
};

// One walk over scanned inputs.
struct Walk {
  std::vector<Tensor> states;
  std::vector<Tensor> scanned;
  std::vector<std::vector<Tensor>> gathered;
};

/// Runs a subgraph for each slice of some inputs, with values that are carried on; results are
/// gathered along an axis. Errors: as Loop's. Source: ONNX operator Scan, versions 8 to 21.
class Scan final : public Kernel {
 public:
  Scan(std::shared_ptr<const PreparedGraph> body, size_t scanned, Directions in, Directions out,
       bool has_batch)
      : body_(std::move(body)),
        scanned_(scanned),
        in_(std::move(in)),
        out_(std::move(out)),
        has_batch_(has_batch) {}

  Done Run(KernelContext& context) const override {
    const size_t first = has_batch_ ? 1 : 0;
    if (context.input_count() < first + scanned_) return BodyDiffers();
    const size_t states = context.input_count() - first - scanned_;
    const GraphInterface interface = context.InterfaceOf(*body_);
    if (interface.inputs != states + scanned_ || interface.outputs.size() < states ||
        interface.outputs.size() != context.output_count() || !in_.Fit(scanned_) ||
        !out_.Fit(interface.outputs.size() - states)) {
      return BodyDiffers();
    }
    Walk walk;
    for (size_t i = 0; i < states + scanned_; ++i) {
      TRY_OK(RequireInput(context, first + i));
      TRY((i < states ? walk.states : walk.scanned).emplace_back(), context.InputValue(first + i));
    }
    walk.gathered.resize(interface.outputs.size() - states);
    if (has_batch_) return RunBatch(context, walk, interface);
    TRY_OK(Go(context, walk, SIZE_MAX));
    return Give(context, walk, interface);
  }

 private:
  // All steps of a walk, or as many as `most`.
  Done Go(KernelContext& context, Walk& walk, size_t most) const {
    int64_t steps = -1;
    std::vector<size_t> axes;
    for (size_t i = 0; i < walk.scanned.size(); ++i) {
      const Shape& shape = walk.scanned[i].shape();
      TRY(axes.emplace_back(), NormalizeAxis(in_.AxisOf(i), shape.size()));
      if (steps >= 0 && shape[axes[i]] != steps) return ShapeInvalid("scanned inputs differ");
      steps = shape[axes[i]];
    }
    if (steps > static_cast<int64_t>(kLongestSequence)) {
      return Error{Code::kOverLimit, "sequence_too_long", "a scan has more steps than it may"};
    }
    const auto count = std::min(static_cast<size_t>(std::max<int64_t>(steps, 0)), most);
    for (size_t step = 0; step < count; ++step) TRY_OK(Step(context, walk, axes, step));
    return {};
  }

  Done Step(KernelContext& context, Walk& walk, const std::vector<size_t>& axes,
            size_t step) const {
    std::vector<Tensor> inputs = std::move(walk.states);
    const size_t states = inputs.size();
    for (size_t i = 0; i < walk.scanned.size(); ++i) {
      const TensorView view = walk.scanned[i].View();
      const auto at = static_cast<int64_t>(step);
      const int64_t index = in_.IsBackwards(i) ? view.shape[axes[i]] - 1 - at : at;
      TRY(inputs.emplace_back(), SliceAlong(context, view, axes[i], index, 1, true));
    }
    TRY(std::vector<Tensor> results, context.CallGraph(*body_, std::move(inputs)));
    for (size_t i = states; i < results.size(); ++i) {
      walk.gathered[i - states].push_back(std::move(results[i]));
    }
    results.resize(states);
    walk.states = std::move(results);
    return {};
  }

  Result<Tensor> Joined(KernelContext& context, std::vector<Tensor> parts, size_t i,
                        const GraphInterface::Output& described) const {
    if (parts.empty()) {
      Shape shape = described.shape;
      TRY(const size_t axis, NormalizeAxis(out_.AxisOf(i), shape.size() + 1));
      shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 0);
      return Tensor::Create(context.arena(), described.type, std::move(shape));
    }
    if (out_.IsBackwards(i)) std::ranges::reverse(parts);
    return JoinAlong(context, parts, out_.AxisOf(i), true);
  }

  Done Give(KernelContext& context, Walk& walk, const GraphInterface& interface) const {
    const size_t states = walk.states.size();
    for (size_t i = 0; i < states; ++i) context.SetOutput(i, std::move(walk.states[i]));
    for (size_t i = 0; i < walk.gathered.size(); ++i) {
      TRY(Tensor joined,
          Joined(context, std::move(walk.gathered[i]), i, interface.outputs[states + i]));
      context.SetOutput(states + i, std::move(joined));
    }
    return {};
  }

  // Version 8: the first axis of everything is a batch, each of which is a walk of its own.
  Done RunBatch(KernelContext& context, const Walk& whole, const GraphInterface& interface) const {
    std::vector<int64_t> lengths;
    if (context.HasInput(0)) {
      TRY(lengths, ReadIndexTensor(context, 0));
    }
    if (whole.scanned.empty() || whole.scanned[0].shape().empty()) return BodyDiffers();
    const int64_t batches = whole.scanned[0].shape()[0];
    if (batches > static_cast<int64_t>(kLongestSequence)) {
      return Error{Code::kOverLimit, "sequence_too_long",
                   "a scan's batch is larger than it may be"};
    }
    std::vector<std::vector<Tensor>> outputs(interface.outputs.size());
    for (int64_t batch = 0; batch < batches; ++batch) {
      Walk walk;
      walk.gathered.resize(whole.gathered.size());
      TRY(walk.states, SlicesOf(context, whole.states, batch));
      TRY(walk.scanned, SlicesOf(context, whole.scanned, batch));
      size_t most = SIZE_MAX;
      if (!lengths.empty()) {
        if (static_cast<size_t>(batch) >= lengths.size() ||
            lengths[static_cast<size_t>(batch)] < 0) {
          return InputInvalid("Scan: not one length for each of the batch");
        }
        most = static_cast<size_t>(lengths[static_cast<size_t>(batch)]);
      }
      TRY_OK(Go(context, walk, most));
      for (size_t i = 0; i < walk.states.size(); ++i) outputs[i].push_back(walk.states[i]);
      for (size_t i = 0; i < walk.gathered.size(); ++i) {
        const size_t at = walk.states.size() + i;
        TRY(outputs[at].emplace_back(),
            Joined(context, std::move(walk.gathered[i]), i, interface.outputs[at]));
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].empty()) return ShapeInvalid("Scan: an empty batch");
      TRY(Tensor joined, JoinAlong(context, outputs[i], 0, true));
      context.SetOutput(i, std::move(joined));
    }
    return {};
  }

  static Result<std::vector<Tensor>> SlicesOf(KernelContext& context,
                                              const std::vector<Tensor>& tensors, int64_t batch) {
    std::vector<Tensor> slices;
    for (const Tensor& tensor : tensors) {
      if (tensor.shape().empty() || tensor.shape()[0] <= batch) {
        return ShapeInvalid("Scan: operands differ in their batch");
      }
      TRY(slices.emplace_back(), SliceAlong(context, tensor.View(), 0, batch, 1, true));
    }
    return slices;
  }

  std::shared_ptr<const PreparedGraph> body_;
  size_t scanned_;
  Directions in_;
  Directions out_;
  bool has_batch_;
};

}  // namespace

MadeKernel MakeScan(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = SIZE_MAX, .most_outputs = SIZE_MAX}));
  TRY(std::shared_ptr<const PreparedGraph> body, node.attributes.RequiredGraph("body"));
  TRY(const int64_t scanned, node.attributes.RequiredInt("num_scan_inputs"));
  if (scanned < 1 || scanned > static_cast<int64_t>(node.input_count)) {
    return AttributeInvalid("Scan: attribute 'num_scan_inputs' is out of range");
  }
  Directions in;
  Directions out;
  const bool has_batch = node.opset < 9;
  if (has_batch) {
    TRY(in.backwards, node.attributes.Ints("directions", {}));
  } else {
    TRY(in.backwards, node.attributes.Ints("scan_input_directions", {}));
    TRY(in.axes, node.attributes.Ints("scan_input_axes", {}));
    TRY(out.backwards, node.attributes.Ints("scan_output_directions", {}));
    TRY(out.axes, node.attributes.Ints("scan_output_axes", {}));
  }
  return std::make_unique<Scan>(std::move(body), static_cast<size_t>(scanned), std::move(in),
                                std::move(out), has_batch);
}

}  // namespace ephemeralml::engine::kernels
