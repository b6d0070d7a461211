#include <algorithm>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Takes slices of `data` along an axis, in the order of `indices`. Types: any of fixed width.
/// Of a sealed weight gathered along its first axis only the chunks that hold the rows asked for
/// are opened, one row at a time. Errors: kUnsupported `type_unsupported`; kMalformed
/// `input_invalid` (an index out of range), `attribute_invalid`. Source: ONNX operator Gather,
/// versions 1 to 13.
class Gather final : public Kernel {
 public:
  explicit Gather(int64_t axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape data = context.InputShape(0);
    const size_t width = wire::ElementBytes(context.InputType(0));
    if (width == 0) return TypeUnsupported(context.InputType(0));
    TRY(const size_t axis, NormalizeAxis(axis_, data.size()));
    TRY(const TensorView indices, RequiredInput(context, 1));
    TRY(const std::vector<size_t> rows, ReadIndices(indices, data[axis]));
    Shape shape(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
    shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
    shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
    TRY(Tensor * output, context.Output(0, context.InputType(0), shape));
    if (output->byte_count() == 0) return {};
    TRY(const size_t outer, CountBetween(data, 0, axis));
    TRY(const size_t inner, CountBetween(data, axis + 1, data.size()));
    const MutableByteSpan to = output->MutableBytes();
    if (context.IsWeight(0) && axis == 0) {
      TRY(const weights::PanelStream panels, context.Panels(0));
      if (panels.weight().layout == weights::PanelLayout::kRows) {
        return CopyRows(panels, rows, inner * width, to);
      }
    }
    TRY(const TensorView from, context.Input(0));
    CopySlices(from.bytes, rows, outer, static_cast<size_t>(data[axis]), inner * width, to);
    return {};
  }

 private:
  static Result<std::vector<size_t>> ReadIndices(const TensorView& indices, int64_t extent) {
    std::vector<size_t> rows;
    const auto read = [&](auto values) -> Done {
      rows.reserve(values.size());
      for (const int64_t index : values) {
        if (index < -extent || index >= extent)
          return InputInvalid("Gather: an index is out of range");
        rows.push_back(static_cast<size_t>(index < 0 ? index + extent : index));
      }
      return {};
    };
    if (indices.type == ElementType::kInt64) {
      TRY_OK(read(indices.Values<int64_t>()));
    } else if (indices.type == ElementType::kInt32) {
      TRY_OK(read(indices.Values<int32_t>()));
    } else {
      return TypeUnsupported(indices.type);
    }
    return rows;
  }

  static Done CopyRows(const weights::PanelStream& panels, const std::vector<size_t>& rows,
                       size_t row_bytes, MutableByteSpan to) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<int64_t>(rows[i]);
      TRY(const weights::OpenPanel panel, panels.OpenRows(row, row + 1));
      std::ranges::copy(panel.bytes(), to.subspan(i * row_bytes).begin());
    }
    return {};
  }

  static void CopySlices(ByteSpan from, const std::vector<size_t>& rows, size_t outer,
                         size_t extent, size_t slice_bytes, MutableByteSpan to) {
    for (size_t o = 0; o < outer; ++o) {
      for (size_t i = 0; i < rows.size(); ++i) {
        std::ranges::copy(from.subspan((o * extent + rows[i]) * slice_bytes, slice_bytes),
                          to.subspan((o * rows.size() + i) * slice_bytes).begin());
      }
    }
  }

  int64_t axis_;
};

}  // namespace

MadeKernel MakeGather(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t axis, node.attributes.Int("axis", 0));
  return std::make_unique<Gather>(axis);
}

}  // namespace ephemeralml::engine::kernels
