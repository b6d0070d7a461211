#include <algorithm>
#include <iterator>
#include <limits>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/stack.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T>
Result<Tensor> Scalar(KernelContext& context, T value) {
  TRY(Tensor tensor, Tensor::Create(context.arena(), TypeOf<T>(), {}));
  tensor.MutableBytes()[0] = 0;
  *reinterpret_cast<T*>(tensor.MutableBytes().data()) = value;
  return tensor;
}

Result<bool> ReadCondition(const TensorView& tensor) {
  if (tensor.type != ElementType::kBool || tensor.bytes.size() != 1) {
    return InputInvalid("Loop: a condition must be one boolean");
  }
  return tensor.bytes[0] != 0;
}

/// Runs a subgraph again and again: until its condition is false, or so many times. Values of any
/// kind are carried from one run to the next; what the subgraph makes beyond them is gathered along
/// a new first axis. Every run counts as a step of the request's. Errors: kMalformed
/// `input_invalid`, `topology_malformed`; kOverLimit `sequence_too_long` (runs whose results are
/// gathered), `step_limit_exceeded`, `time_limit_exceeded`; those of the
/// subgraph. Source: ONNX operator Loop, versions 1
/// to 21.
class Loop final : public Kernel {
 public:
  explicit Loop(std::shared_ptr<const PreparedGraph> body) : body_(std::move(body)) {}

  Done Run(KernelContext& context) const override {
    TRY(const int64_t most, ReadMostRuns(context));
    TRY(bool goes_on, ReadFirstCondition(context));
    const size_t carried_count = context.input_count() - 2;
    const GraphInterface interface = context.InterfaceOf(*body_);
    if (interface.inputs != carried_count + 2 || interface.outputs.size() < carried_count + 1 ||
        context.output_count() > interface.outputs.size() - 1) {
      return Error{Code::kMalformed, "topology_malformed",
                   "a loop's body takes or makes another number of values than its node lists"};
    }
    std::vector<Tensor> carried;
    for (size_t i = 0; i < carried_count; ++i) {
      TRY(carried.emplace_back(), RequiredValue(context, i + 2));
    }
    std::vector<std::vector<Tensor>> gathered(interface.outputs.size() - 1 - carried_count);
    for (int64_t i = 0; i < most && goes_on; ++i) {
      TRY(std::vector<Tensor> results, RunBody(context, i, std::move(carried)));
      TRY(goes_on, ReadCondition(results[0].View()));
      const auto first_gathered = results.begin() + 1 + static_cast<std::ptrdiff_t>(carried_count);
      TRY_OK(Gather(std::span(first_gathered, results.end()), gathered));
      carried.assign(std::make_move_iterator(results.begin() + 1),
                     std::make_move_iterator(first_gathered));
    }
    return GiveOutputs(context, std::move(carried), gathered, interface);
  }

 private:
  static Result<int64_t> ReadMostRuns(KernelContext& context) {
    if (!context.HasInput(0)) return std::numeric_limits<int64_t>::max();
    TRY(const TensorView tensor, RequiredInput(context, 0));
    return OneElement<int64_t>(tensor);
  }

  static Result<bool> ReadFirstCondition(KernelContext& context) {
    if (!context.HasInput(1)) return true;
    TRY(const TensorView tensor, RequiredInput(context, 1));
    return ReadCondition(tensor);
  }

  Result<std::vector<Tensor>> RunBody(KernelContext& context, int64_t i,
                                      std::vector<Tensor> carried) const {
    std::vector<Tensor> inputs;
    TRY(inputs.emplace_back(), Scalar<int64_t>(context, i));
    TRY(inputs.emplace_back(), Scalar<bool>(context, true));
    std::ranges::move(carried, std::back_inserter(inputs));
    return context.CallGraph(*body_, std::move(inputs));
  }

  static Done Gather(std::span<Tensor> results, std::vector<std::vector<Tensor>>& gathered) {
    for (size_t i = 0; i < results.size(); ++i) {
      if (gathered[i].size() == kLongestSequence) {
        return Error{Code::kOverLimit, "sequence_too_long",
                     "a loop gathers the results of more runs than a loop may"};
      }
      gathered[i].push_back(std::move(results[i]));
    }
    return {};
  }

  static Done GiveOutputs(KernelContext& context, std::vector<Tensor> carried,
                          const std::vector<std::vector<Tensor>>& gathered,
                          const GraphInterface& interface) {
    for (size_t i = 0; i < context.output_count(); ++i) {
      if (i < carried.size()) {
        context.SetOutput(i, std::move(carried[i]));
        continue;
      }
      const std::vector<Tensor>& parts = gathered[i - carried.size()];
      if (parts.empty()) {
        const GraphInterface::Output& output = interface.outputs[i + 1];
        Shape shape = output.shape;
        shape.insert(shape.begin(), 0);
        TRY_OK(context.Output(i, output.type, std::move(shape)));
        continue;
      }
      TRY(Tensor joined, JoinAlong(context, parts, 0, true));
      context.SetOutput(i, std::move(joined));
    }
    return {};
  }

  std::shared_ptr<const PreparedGraph> body_;
};

}  // namespace

MadeKernel MakeLoop(const NodeSpec& node) {
  TRY_OK(CheckArity(
      node,
      {.least_inputs = 2, .most_inputs = SIZE_MAX, .least_outputs = 0, .most_outputs = SIZE_MAX}));
  TRY(std::shared_ptr<const PreparedGraph> body, node.attributes.RequiredGraph("body"));
  return std::make_unique<Loop>(std::move(body));
}

}  // namespace ephemeralml::engine::kernels
