// Operators on sequences of tensors. Sequences share their tensors: none is copied but by need.

#include <algorithm>
#include <optional>

#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/stack.h"

namespace ephemeralml::engine::kernels {
namespace {

Done GiveSequence(KernelContext& context, std::vector<Tensor> elements, size_t output = 0) {
  TRY(Tensor sequence, Tensor::Sequence(std::move(elements)));
  context.SetOutput(output, std::move(sequence));
  return {};
}

// The place that an input names; with `may_be_end`, one past the last, too.
Result<size_t> ReadPosition(KernelContext& context, size_t input, size_t length, bool may_be_end) {
  TRY(const std::vector<int64_t> position, ReadIndexTensor(context, input));
  if (position.size() != 1) return InputInvalid("a position isn't one number");
  const auto extent = static_cast<int64_t>(length);
  if (may_be_end && position[0] == extent) return length;
  return CheckedIndex(position[0], extent);
}

class SequenceConstruct final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    std::vector<Tensor> elements;
    for (size_t i = 0; i < context.input_count(); ++i) {
      TRY_OK(RequireInput(context, i));
      TRY(elements.emplace_back(), context.InputValue(i));
    }
    return GiveSequence(context, std::move(elements));
  }
};

class SequenceAt final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const Tensor sequence, RequiredSequence(context, 0));
    TRY(const size_t at, ReadPosition(context, 1, sequence.elements().size(), false));
    context.SetOutput(0, sequence.elements()[at]);
    return {};
  }
};

class SequenceInsert final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const Tensor sequence, RequiredSequence(context, 0));
    TRY_OK(RequireInput(context, 1));
    TRY(Tensor value, context.InputValue(1));
    std::vector<Tensor> elements = sequence.elements();
    size_t at = elements.size();
    if (context.HasInput(2)) {
      TRY(at, ReadPosition(context, 2, elements.size(), true));
    }
    elements.insert(elements.begin() + static_cast<std::ptrdiff_t>(at), std::move(value));
    return GiveSequence(context, std::move(elements));
  }
};

class SequenceErase final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const Tensor sequence, RequiredSequence(context, 0));
    std::vector<Tensor> elements = sequence.elements();
    if (elements.empty()) return InputInvalid("SequenceErase: the sequence is empty");
    size_t at = elements.size() - 1;
    if (context.HasInput(1)) {
      TRY(at, ReadPosition(context, 1, elements.size(), false));
    }
    elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(at));
    return GiveSequence(context, std::move(elements));
  }
};

class SequenceLength final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const Tensor sequence, RequiredSequence(context, 0));
    TRY(Tensor * output, context.Output(0, ElementType::kInt64, {}));
    output->MutableValues<int64_t>()[0] = static_cast<int64_t>(sequence.elements().size());
    return {};
  }
};

class ConcatFromSequence final : public Kernel {
 public:
  ConcatFromSequence(int64_t axis, bool is_new_axis) : axis_(axis), is_new_axis_(is_new_axis) {}

  Done Run(KernelContext& context) const override {
    TRY(const Tensor sequence, RequiredSequence(context, 0));
    if (sequence.elements().empty()) {
      return InputInvalid("ConcatFromSequence: the sequence is empty");
    }
    TRY(Tensor joined, JoinAlong(context, sequence.elements(), axis_, is_new_axis_));
    context.SetOutput(0, std::move(joined));
    return {};
  }

 private:
  int64_t axis_;
  bool is_new_axis_;
};

class SplitToSequence final : public Kernel {
 public:
  SplitToSequence(int64_t axis, bool keeps) : axis_(axis), keeps_(keeps) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const size_t axis, NormalizeAxis(axis_, input.shape.size()));
    const int64_t extent = input.shape[axis];
    TRY(const std::vector<int64_t> sizes, Sizes(context, extent));
    std::vector<Tensor> parts;
    int64_t first = 0;
    for (const int64_t size : sizes) {
      if (size < 0 || size > extent - first)
        return InputInvalid("SplitToSequence: sizes don't fit");
      const bool drops = !keeps_ && !context.HasInput(1);
      TRY(parts.emplace_back(), SliceAlong(context, input, axis, first, size, drops));
      first += size;
    }
    if (first != extent) return InputInvalid("SplitToSequence: sizes don't add up to the axis");
    return GiveSequence(context, std::move(parts));
  }

 private:
  static Result<std::vector<int64_t>> Sizes(KernelContext& context, int64_t extent) {
    if (extent > static_cast<int64_t>(kLongestSequence)) {
      return Error{Code::kOverLimit, "sequence_too_long",
                   "a sequence has more elements than a sequence may have"};
    }
    if (!context.HasInput(1)) return std::vector<int64_t>(static_cast<size_t>(extent), 1);
    TRY(const std::vector<int64_t> given, ReadIndexTensor(context, 1));
    if (!context.InputShape(1).empty()) return given;
    if (given.empty() || given[0] < 1)
      return InputInvalid("SplitToSequence: a size isn't positive");
    std::vector<int64_t> sizes;
    for (int64_t rest = extent; rest > 0; rest -= sizes.back()) {
      sizes.push_back(std::min(given[0], rest));
    }
    return sizes;
  }

  int64_t axis_;
  bool keeps_;
};

/// Runs a subgraph for every element of a sequence; further inputs are sequences that are walked
/// along, or tensors that every run gets.
class SequenceMap final : public Kernel {
 public:
  explicit SequenceMap(std::shared_ptr<const PreparedGraph> body) : body_(std::move(body)) {}

  Done Run(KernelContext& context) const override {
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < context.input_count(); ++i) {
      TRY(inputs.emplace_back(), i == 0 ? RequiredSequence(context, i) : RequiredValue(context, i));
    }
    std::vector<std::vector<Tensor>> mapped(context.output_count());
    for (size_t i = 0; i < inputs[0].elements().size(); ++i) {
      TRY_OK(MapOne(context, inputs, i, mapped));
    }
    for (size_t i = 0; i < mapped.size(); ++i) {
      TRY_OK(GiveSequence(context, std::move(mapped[i]), i));
    }
    return {};
  }

 private:
  Done MapOne(KernelContext& context, const std::vector<Tensor>& inputs, size_t at,
              std::vector<std::vector<Tensor>>& mapped) const {
    std::vector<Tensor> arguments;
    for (const Tensor& input : inputs) {
      if (input.kind() != ValueKind::kSequence) {
        arguments.push_back(input);
      } else if (at < input.elements().size()) {
        arguments.push_back(input.elements()[at]);
      } else {
        return InputInvalid("SequenceMap: the sequences differ in length");
      }
    }
    TRY(std::vector<Tensor> results, context.CallGraph(*body_, std::move(arguments)));
    if (results.size() != mapped.size()) {
      return Error{Code::kMalformed, "topology_malformed",
                   "a subgraph makes another number of values than its node lists"};
    }
    for (size_t i = 0; i < results.size(); ++i) mapped[i].push_back(std::move(results[i]));
    return {};
  }

  std::shared_ptr<const PreparedGraph> body_;
};

}  // namespace

/// Source: ONNX operator SequenceConstruct, version 11.
MadeKernel MakeSequenceConstruct(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_inputs = SIZE_MAX}));
  return std::make_unique<SequenceConstruct>();
}

/// Source: ONNX operator SequenceEmpty, version 11.
MadeKernel MakeSequenceEmpty(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 0, .most_inputs = 0}));
  return std::make_unique<SequenceConstruct>();
}

/// Source: ONNX operator SequenceAt, version 11.
MadeKernel MakeSequenceAt(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<SequenceAt>();
}

/// Source: ONNX operator SequenceInsert, version 11.
MadeKernel MakeSequenceInsert(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  return std::make_unique<SequenceInsert>();
}

/// Source: ONNX operator SequenceErase, version 11.
MadeKernel MakeSequenceErase(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_inputs = 2}));
  return std::make_unique<SequenceErase>();
}

/// Source: ONNX operator SequenceLength, version 11.
MadeKernel MakeSequenceLength(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<SequenceLength>();
}

/// Types: all of fixed width. Source: ONNX operator ConcatFromSequence, version 11.
MadeKernel MakeConcatFromSequence(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t axis, node.attributes.RequiredInt("axis"));
  TRY(const int64_t new_axis, node.attributes.Int("new_axis", 0));
  return std::make_unique<ConcatFromSequence>(axis, new_axis != 0);
}

/// Types: all of fixed width. Source: ONNX operator SplitToSequence, version 11.
MadeKernel MakeSplitToSequence(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_inputs = 2}));
  TRY(const int64_t axis, node.attributes.Int("axis", 0));
  TRY(const int64_t keeps, node.attributes.Int("keepdims", 1));
  return std::make_unique<SplitToSequence>(axis, keeps != 0);
}

/// Source: ONNX operator SequenceMap, version 17.
MadeKernel MakeSequenceMap(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_inputs = SIZE_MAX, .most_outputs = SIZE_MAX}));
  TRY(std::shared_ptr<const PreparedGraph> body, node.attributes.RequiredGraph("body"));
  return std::make_unique<SequenceMap>(std::move(body));
}

}  // namespace ephemeralml::engine::kernels
