#include <algorithm>

#include "common/base/checked.h"
#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kMostOutputs = 4096;

class Split final : public Kernel {
 public:
  /// `lengths` is empty if an input gives them, or nothing does; `uneven` lets the last part be
  /// smaller.
  Split(int64_t axis, std::vector<int64_t> lengths, bool uneven)
      : axis_(axis), lengths_(std::move(lengths)), uneven_(uneven) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& given = context.InputShape(0);
    TRY(const size_t axis, NormalizeAxis(axis_, given.size()));
    TRY(const std::vector<int64_t> lengths, LengthsOf(context, given[axis]));
    TRY(const TensorView input, context.Input(0));
    TRY(const size_t rows, CountBetween(given, 0, axis));
    TRY(const size_t inner, CountBetween(given, axis + 1, given.size()));
    const size_t width = wire::ElementBytes(input.type);
    if (width == 0) return TypeUnsupported(input.type);
    const int64_t source_row = given[axis] * static_cast<int64_t>(inner);
    const uint8_t* source = input.bytes.data();
    for (size_t i = 0; i < lengths.size(); ++i) {
      const int64_t row = lengths[i] * static_cast<int64_t>(inner);
      if (context.WantsOutput(i)) {
        Shape shape = given;
        shape[axis] = lengths[i];
        TRY(Tensor * output, context.Output(i, input.type, shape));
        CopyBox(context.threads(), width,
                {{static_cast<int64_t>(rows), source_row, row}, {row, 1, 1}}, source,
                output->MutableBytes().data());
      }
      if (!input.bytes.empty()) source += static_cast<size_t>(row) * width;
    }
    return {};
  }

 private:
  // One length for each output, in all as long as the axis.
  Result<std::vector<int64_t>> LengthsOf(KernelContext& context, int64_t extent) const {
    std::vector<int64_t> lengths = lengths_;
    if (context.HasInput(1)) {
      TRY(lengths, ReadIntegers(context, 1, kMostOutputs));
    } else if (lengths.empty()) {
      return EqualLengths(extent, static_cast<int64_t>(context.output_count()));
    }
    if (lengths.size() != context.output_count()) {
      return InputInvalid("Split: the node's outputs and the list of lengths differ in number");
    }
    int64_t sum = 0;
    for (const int64_t length : lengths) {
      if (length < 0) return InputInvalid("Split: a length is negative");
      TRY(sum, CheckedAdd(sum, length));
    }
    if (sum != extent) return InputInvalid("Split: the lengths don't add up to the axis");
    return lengths;
  }

  Result<std::vector<int64_t>> EqualLengths(int64_t extent, int64_t parts) const {
    if (extent % parts != 0 && !uneven_) {
      return ShapeInvalid(
          "Split: the axis doesn't fall into equal parts, and no lengths are given");
    }
    const int64_t length = extent / parts + (extent % parts != 0 ? 1 : 0);
    std::vector<int64_t> lengths;
    for (int64_t rest = extent; std::ssize(lengths) < parts; rest -= lengths.back()) {
      lengths.push_back(std::min(length, rest));
    }
    return lengths;
  }

  int64_t axis_;
  std::vector<int64_t> lengths_;
  bool uneven_;
};

}  // namespace

/// Cuts a tensor along an axis. Types: any of fixed width. Lengths: attribute 'split' before
/// version 13, an input from there; equal parts otherwise, the last smaller if 'num_outputs' (18)
/// asks for it. Source: ONNX operator Split, versions 2 to 18.
MadeKernel MakeSplit(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 1,
                           .most_inputs = node.opset >= 13 ? size_t{2} : size_t{1},
                           .least_outputs = 1,
                           .most_outputs = kMostOutputs}));
  TRY(const int64_t axis, node.attributes.Int("axis", 0));
  std::vector<int64_t> lengths;
  if (node.opset < 13) {
    TRY(lengths, node.attributes.Ints("split", {}));
  }
  const bool uneven = node.opset >= 18 && node.attributes.Has("num_outputs");
  if (uneven) {
    TRY(const int64_t parts, node.attributes.RequiredInt("num_outputs"));
    if (!std::cmp_equal(parts, node.output_count)) {
      return AttributeInvalid("Split: attribute 'num_outputs' isn't the number of outputs");
    }
  }
  return std::make_unique<Split>(axis, std::move(lengths), uneven);
}

}  // namespace ephemeralml::engine::kernels
