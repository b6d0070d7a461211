// Trilu and EyeLike: matrices that differ on either side of a diagonal.

#include <algorithm>
#include <optional>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

/// The triangle of each matrix above or below its k-th diagonal, the diagonal included; all else 0.
/// Types: all of fixed width. Source: ONNX operator Trilu, version 14.
class Trilu final : public Kernel {
 public:
  explicit Trilu(bool upper) : upper_(upper) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    int64_t k = 0;
    if (context.HasInput(1)) {
      TRY(const TensorView tensor, context.Input(1));
      TRY(k, OneElement<int64_t>(tensor));
    }
    const size_t rank = input.shape.size();
    if (rank < 2) return ShapeInvalid("Trilu: the operand has fewer than two axes");
    const int64_t rows = input.shape[rank - 2];
    const int64_t columns = input.shape[rank - 1];
    k = std::clamp(k, -rows - 1, columns + 1);
    return WithWidth(input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, input.shape));
      if (input.bytes.empty()) return {};
      const size_t count = input.bytes.size() / sizeof(T) / static_cast<size_t>(columns);
      for (size_t i = 0; i < count; ++i) {
        const auto row = static_cast<int64_t>(i % static_cast<size_t>(rows));
        const int64_t diagonal = std::clamp(row + k + (upper_ ? 0 : 1), int64_t{0}, columns);
        const size_t begin = upper_ ? static_cast<size_t>(diagonal) : 0;
        const auto end = static_cast<size_t>(upper_ ? columns : diagonal);
        const size_t first = i * static_cast<size_t>(columns);
        std::copy(Raw<T>(input) + first + begin, Raw<T>(input) + first + end,
                  Raw<T>(*output) + first + begin);
      }
      return {};
    });
  }

 private:
  bool upper_;
};

/// A matrix of the operand's shape with ones on its k-th diagonal and zeros elsewhere. Types: all
/// of fixed width; the operand's unless `dtype` names another. Source: ONNX operator EyeLike,
/// version 9.
class EyeLike final : public Kernel {
 public:
  EyeLike(std::optional<ElementType> type, int64_t k) : type_(type), k_(k) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& shape = context.InputShape(0);
    if (shape.size() != 2) return ShapeInvalid("EyeLike: the operand isn't a matrix");
    const ElementType type = type_.value_or(context.InputType(0));
    TRY(Tensor * output, context.Output(0, type, shape));
    const size_t width = wire::ElementBytes(type);
    Bytes one(width);
    const int64_t number = 1;
    const TensorView view{
        ElementType::kInt64, {}, {reinterpret_cast<const uint8_t*>(&number), sizeof number}};
    TRY_OK(ConvertElements(context.threads(), view, type, one));
    const MutableByteSpan target = output->MutableBytes();
    for (int64_t row = 0; row < shape[0]; ++row) {
      if (k_ < -row || k_ >= shape[1] - row) continue;
      std::ranges::copy(
          one, target.subspan(static_cast<size_t>(row * shape[1] + row + k_) * width).begin());
    }
    return {};
  }

 private:
  std::optional<ElementType> type_;
  int64_t k_;
};

}  // namespace

MadeKernel MakeTrilu(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = 2}));
  TRY(const int64_t upper, node.attributes.Int("upper", 1));
  return std::make_unique<Trilu>(upper != 0);
}

MadeKernel MakeEyeLike(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  std::optional<ElementType> type;
  if (node.attributes.Has("dtype")) {
    TRY(type, ReadTypeAttribute(node, "dtype", ElementType::kFloat));
  }
  TRY(const int64_t k, node.attributes.Int("k", 0));
  return std::make_unique<EyeLike>(type, k);
}

}  // namespace ephemeralml::engine::kernels
