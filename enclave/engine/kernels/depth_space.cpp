// DepthToSpace and SpaceToDepth: blocks of neighbouring places trade with channels.

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

// Copies the tensor, seen as six axes, with its axes in another order.
Done Permute(KernelContext& context, const Shape& axes, const std::vector<size_t>& order,
             const Shape& shape) {
  TRY(const TensorView input, context.Input(0));
  if (wire::ElementBytes(input.type) == 0) return TypeUnsupported(input.type);
  TRY(Tensor * output, context.Output(0, input.type, shape));
  if (input.bytes.empty()) return {};
  const std::vector<int64_t> strides = Strides(axes);
  Shape target_shape;
  for (const size_t axis : order) target_shape.push_back(axes[axis]);
  const std::vector<int64_t> target_strides = Strides(target_shape);
  std::vector<BoxAxis> box;
  for (size_t i = 0; i < order.size(); ++i) {
    box.push_back({axes[order[i]], strides[order[i]], target_strides[i]});
  }
  CopyBox(context.threads(), wire::ElementBytes(input.type), box, input.bytes.data(),
          output->MutableBytes().data());
  return {};
}

/// Types: all of fixed width. Source: ONNX operator DepthToSpace, versions 1 to 13.
class DepthToSpace final : public Kernel {
 public:
  DepthToSpace(int64_t block, bool columns_first) : block_(block), columns_first_(columns_first) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& x = context.InputShape(0);
    if (x.size() != 4) return ShapeInvalid("DepthToSpace: the operand hasn't four axes");
    if (x[1] / block_ % block_ != 0 || x[1] % block_ != 0) {
      return ShapeInvalid("DepthToSpace: blocks don't divide the channels");
    }
    const int64_t depth = x[1] / block_ / block_;
    const Shape shape = {x[0], depth, x[2] * block_, x[3] * block_};
    if (columns_first_) {
      return Permute(context, {x[0], depth, block_, block_, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, shape);
    }
    return Permute(context, {x[0], block_, block_, depth, x[2], x[3]}, {0, 3, 4, 1, 5, 2}, shape);
  }

 private:
  int64_t block_;
  bool columns_first_;
};

/// Types: all of fixed width. Source: ONNX operator SpaceToDepth, versions 1 and 13.
class SpaceToDepth final : public Kernel {
 public:
  explicit SpaceToDepth(int64_t block) : block_(block) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& x = context.InputShape(0);
    if (x.size() != 4) return ShapeInvalid("SpaceToDepth: the operand hasn't four axes");
    if (x[2] % block_ != 0 || x[3] % block_ != 0) {
      return ShapeInvalid("SpaceToDepth: blocks don't divide height and width");
    }
    const int64_t rows = x[2] / block_;
    const int64_t columns = x[3] / block_;
    return Permute(context, {x[0], x[1], rows, block_, columns, block_}, {0, 3, 5, 1, 2, 4},
                   {x[0], x[1] * block_ * block_, rows, columns});
  }

 private:
  int64_t block_;
};

Result<int64_t> ReadBlock(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t block, node.attributes.RequiredInt("blocksize"));
  if (block < 1 || block > 65536) {
    return AttributeInvalid(node.op + ": attribute 'blocksize' is out of range");
  }
  return block;
}

}  // namespace

MadeKernel MakeDepthToSpace(const NodeSpec& node) {
  TRY(const int64_t block, ReadBlock(node));
  TRY(const std::string mode, node.attributes.String("mode", "DCR"));
  if (mode != std::string_view("DCR") && mode != std::string_view("CRD")) {
    return AttributeInvalid("DepthToSpace: attribute 'mode' must be DCR or CRD");
  }
  return std::make_unique<DepthToSpace>(block, mode == std::string_view("CRD"));
}

MadeKernel MakeSpaceToDepth(const NodeSpec& node) {
  TRY(const int64_t block, ReadBlock(node));
  return std::make_unique<SpaceToDepth>(block);
}

}  // namespace ephemeralml::engine::kernels
