#include <algorithm>
#include <numeric>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Cuts axes, or pads them with zeros, evenly at both ends, to given extents; what can't be shared
/// evenly comes from or goes to the end. Types: all of fixed width. Source: ONNX operator
/// CenterCropPad, version 18.
class CenterCropPad final : public Kernel {
 public:
  explicit CenterCropPad(std::vector<int64_t> axes) : axes_(std::move(axes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> extents, ReadIntegers(context, 1));
    const size_t rank = input.shape.size();
    std::vector<int64_t> named = axes_;
    if (named.empty()) {
      named.resize(rank);
      std::iota(named.begin(), named.end(), int64_t{0});
    }
    TRY(const std::vector<size_t> axes, NormalizeAxes(named, rank));
    if (axes.size() != extents.size()) return ShapeInvalid("CenterCropPad: axes and shape differ");
    Shape shape = input.shape;
    for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = extents[i];
    const size_t width = wire::ElementBytes(input.type);
    if (width == 0) return TypeUnsupported(input.type);
    TRY(Tensor * output, context.Output(0, input.type, shape));
    const std::vector<int64_t> from = Strides(input.shape);
    const std::vector<int64_t> to = Strides(shape);
    std::vector<BoxAxis> box;
    int64_t source = 0;
    int64_t target = 0;
    for (size_t i = 0; i < rank; ++i) {
      const int64_t kept = std::min(input.shape[i], shape[i]);
      if (kept == 0) return {};
      source += (input.shape[i] - kept) / 2 * from[i];
      target += (shape[i] - kept) / 2 * to[i];
      box.push_back({kept, from[i], to[i]});
    }
    CopyBox(context.threads(), width, box, input.bytes.data() + static_cast<size_t>(source) * width,
            output->MutableBytes().data() + static_cast<size_t>(target) * width);
    return {};
  }

 private:
  std::vector<int64_t> axes_;
};

}  // namespace

MadeKernel MakeCenterCropPad(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(std::vector<int64_t> axes, node.attributes.Ints("axes", {}));
  return std::make_unique<CenterCropPad>(std::move(axes));
}

}  // namespace ephemeralml::engine::kernels
