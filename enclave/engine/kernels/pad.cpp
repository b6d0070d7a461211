#include <algorithm>
#include <numeric>
#include <optional>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

enum class Mode { kConstant, kEdge, kReflect, kWrap };

// Longer pads could only make tensors that we can't count.
constexpr int64_t kLongestPad = int64_t{1} << 42;

// How much one axis grows before and behind its elements; negative numbers cut them off.
struct AxisPads {
  int64_t before = 0;
  int64_t behind = 0;
};

// The pads of all axes, from a list of numbers before, then behind, for each axis named.
Result<std::vector<AxisPads>> AllPads(const std::vector<int64_t>& pads,
                                      const std::vector<size_t>& axes, size_t rank) {
  if (pads.size() != 2 * axes.size()) {
    return InputInvalid("Pad: there must be two numbers for each axis");
  }
  if (std::ranges::any_of(pads, [](int64_t p) { return p < -kLongestPad || p > kLongestPad; })) {
    return InputInvalid("Pad: a number is out of range");
  }
  std::vector<AxisPads> all(rank);
  for (size_t i = 0; i < axes.size(); ++i) all[axes[i]] = {pads[i], pads[i + axes.size()]};
  return all;
}

Result<Shape> PaddedShape(const Shape& shape, const std::vector<AxisPads>& pads) {
  Shape padded;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    padded.push_back(shape[axis] + pads[axis].before + pads[axis].behind);
    if (padded.back() < 0) return ShapeInvalid("Pad: more is cut off than an axis has");
  }
  TRY_OK(ElementCount(padded));
  return padded;
}

void Fill(Tensor& output, ByteSpan element) {
  if (std::ranges::all_of(element, [](uint8_t byte) { return byte == 0; })) return;
  const MutableByteSpan bytes = output.MutableBytes();
  for (size_t i = 0; i < bytes.size(); i += element.size()) {
    std::ranges::copy(element, bytes.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// Copies the part of the input that lies within the output; the rest stays filled.
void CopyInside(Threads& threads, const TensorView& input, const std::vector<AxisPads>& pads,
                Tensor& output) {
  const std::vector<int64_t> source_strides = Strides(input.shape);
  const std::vector<int64_t> target_strides = Strides(output.shape());
  std::vector<BoxAxis> box;
  int64_t source = 0;
  int64_t target = 0;
  for (size_t axis = 0; axis < pads.size(); ++axis) {
    const int64_t begin = std::max<int64_t>(pads[axis].before, 0);
    const int64_t end = std::min(output.shape()[axis], pads[axis].before + input.shape[axis]);
    if (end <= begin) return;
    box.push_back({end - begin, source_strides[axis], target_strides[axis]});
    source += (begin - pads[axis].before) * source_strides[axis];
    target += begin * target_strides[axis];
  }
  const size_t width = wire::ElementBytes(input.type);
  CopyBox(threads, width, box, input.bytes.data() + static_cast<size_t>(source) * width,
          output.MutableBytes().data() + static_cast<size_t>(target) * width);
}

// Which of `extent` elements stands at `position`, which may lie before or behind them.
int64_t SourceIndex(Mode mode, int64_t position, int64_t extent) {
  if (mode == Mode::kEdge || extent == 1) return std::clamp<int64_t>(position, 0, extent - 1);
  const int64_t period = mode == Mode::kWrap ? extent : 2 * (extent - 1);
  const int64_t phase = (position % period + period) % period;
  return phase < extent ? phase : period - phase;
}

// For each index of the output's axis the offset, in elements, of what it repeats.
Result<ArenaBlock> SourceOffsets(KernelContext& context, Mode mode, int64_t extent,
                                 const AxisPads& pads, int64_t stride, int64_t padded) {
  const int64_t cut = std::max<int64_t>(-pads.before, 0);
  const int64_t left = extent - cut - std::max<int64_t>(-pads.behind, 0);
  if (left <= 0) return ShapeInvalid("Pad: nothing is left that could be repeated");
  TRY(ArenaBlock block, context.Scratch(static_cast<size_t>(padded) * sizeof(int64_t)));
  auto* offsets = reinterpret_cast<int64_t*>(block.bytes().data());
  const int64_t first = std::max<int64_t>(pads.before, 0);
  for (int64_t i = 0; i < padded; ++i) {
    offsets[i] = (cut + SourceIndex(mode, i - first, left)) * stride;
  }
  return block;
}

// Before version 11: everything in attributes.
struct AttributeForm {
  std::vector<int64_t> pads;
  float value = 0;
};

class Pad final : public Kernel {
 public:
  Pad(Mode mode, std::optional<AttributeForm> attributes)
      : mode_(mode), attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const ElementType type = context.InputType(0);
    TRY(const std::vector<AxisPads> pads, PadsOf(context));
    Bytes element(wire::ElementBytes(type));
    if (attributes_) {
      TRY_OK(WithType(FloatTypes{}, type, [&]<class T>(std::type_identity<T>) -> Done {
        const auto value = static_cast<T>(attributes_->value);
        std::copy_n(reinterpret_cast<const uint8_t*>(&value), sizeof(T), element.data());
        return {};
      }));
    } else if (context.HasInput(2)) {
      TRY(const TensorView value, context.Input(2));
      if (value.type != type || value.bytes.size() != element.size()) {
        return InputInvalid("Pad: the padding must be one element of the input's type");
      }
      CopyBytes(value.bytes, element);
    }
    return Apply(context, pads, element);
  }

 private:
  Result<std::vector<AxisPads>> PadsOf(KernelContext& context) const {
    const size_t rank = context.InputShape(0).size();
    std::vector<size_t> axes(rank);
    std::iota(axes.begin(), axes.end(), size_t{0});
    if (attributes_) return AllPads(attributes_->pads, axes, rank);
    TRY(const std::vector<int64_t> pads, ReadIntegers(context, 1, 2 * kMostAxes));
    if (context.HasInput(3)) {
      TRY(const std::vector<int64_t> named, ReadIntegers(context, 3));
      TRY(axes, NormalizeAxes(named, rank));
    }
    return AllPads(pads, axes, rank);
  }

  Done Apply(KernelContext& context, const std::vector<AxisPads>& pads, ByteSpan element) const {
    const Shape given = context.InputShape(0);
    TRY(const Shape shape, PaddedShape(given, pads));
    if (std::ranges::all_of(pads, [](AxisPads p) { return p.before == 0 && p.behind == 0; })) {
      return context.ForwardInput(0, 0, shape);
    }
    TRY(const TensorView input, context.Input(0));
    TRY(Tensor * output, context.Output(0, input.type, shape));
    if (output->byte_count() == 0) return {};
    if (mode_ != Mode::kConstant) return Repeat(context, input, pads, *output);
    Fill(*output, element);
    CopyInside(context.threads(), input, pads, *output);
    return {};
  }

  Done Repeat(KernelContext& context, const TensorView& input, const std::vector<AxisPads>& pads,
              Tensor& output) const {
    const std::vector<int64_t> strides = Strides(input.shape);
    std::vector<ArenaBlock> blocks;
    std::vector<const int64_t*> offsets;
    for (size_t axis = 0; axis < pads.size(); ++axis) {
      TRY(blocks.emplace_back(), SourceOffsets(context, mode_, input.shape[axis], pads[axis],
                                               strides[axis], output.shape()[axis]));
      offsets.push_back(reinterpret_cast<const int64_t*>(blocks.back().bytes().data()));
    }
    CopyByOffsets(context.threads(), wire::ElementBytes(input.type), output.shape(), offsets,
                  input.bytes.data(), output.MutableBytes().data());
    return {};
  }

  Mode mode_;
  std::optional<AttributeForm> attributes_;
};

Result<Mode> ReadMode(const NodeSpec& node) {
  TRY(const std::string name, node.attributes.String("mode", "constant"));
  const std::string_view mode = name;
  if (mode == "constant") return Mode::kConstant;
  if (mode == "edge") return Mode::kEdge;
  if (mode == "reflect") return Mode::kReflect;
  if (mode == "wrap" && node.opset >= 19) return Mode::kWrap;
  return AttributeInvalid("Pad: attribute 'mode' names no mode of this version");
}

}  // namespace

/// Adds elements before and behind along axes, or cuts them off (negative numbers). Types: any of
/// fixed width; float and double before version 11. Source: ONNX operator Pad, versions 2 to 21.
MadeKernel MakePad(const NodeSpec& node) {
  TRY(const Mode mode, ReadMode(node));
  if (node.opset >= 11) {
    TRY_OK(CheckArity(
        node, {.least_inputs = 2, .most_inputs = node.opset >= 18 ? size_t{4} : size_t{3}}));
    return std::make_unique<Pad>(mode, std::nullopt);
  }
  TRY_OK(CheckArity(node, {}));
  AttributeForm attributes;
  TRY(attributes.pads, node.attributes.Ints("pads", {}));
  TRY(attributes.value, node.attributes.Float("value", 0));
  return std::make_unique<Pad>(mode, std::move(attributes));
}

}  // namespace ephemeralml::engine::kernels
