#include <algorithm>
#include <numeric>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

// Neighbouring rows of a sealed table are opened together up to this size.
constexpr size_t kMostRunBytes = 64 * 1024;

// Indices from the front, checked.
Result<std::vector<size_t>> ReadIndices(KernelContext& context, int64_t extent) {
  TRY(const TensorView view, RequiredInput(context, 1));
  const auto read = [&](const auto& values) -> Result<std::vector<size_t>> {
    std::vector<size_t> indices;
    indices.reserve(values.size());
    for (const int64_t value : values) {
      if (value < -extent || value >= extent) {
        return InputInvalid("Gather: an index lies outside the axis");
      }
      indices.push_back(static_cast<size_t>(value < 0 ? value + extent : value));
    }
    return indices;
  };
  if (view.type == ElementType::kInt64) return read(view.Values<int64_t>());
  if (view.type == ElementType::kInt32) return read(view.Values<int32_t>());
  return TypeUnsupported(view.type);
}

// Into the second cache: rows that were asked for lie anywhere, and memory is slower than opening.
// No more than it holds beside what is being opened.
void Prefetch(ByteSpan bytes) {
  constexpr size_t kLineBytes = 64;
  const size_t end = std::min(bytes.size(), kMostRunBytes);
  for (size_t i = 0; i < end; i += kLineBytes) __builtin_prefetch(&bytes[i], 0, 2);
}

/// Slices of the data along one axis, as the indices name them; an index below 0 counts from the
/// end. Types: all of fixed width; indices int32 or int64. Errors: kUnsupported `type_unsupported`;
/// kMalformed `input_invalid` (an index out of range), `attribute_invalid`. Source: ONNX operator
/// Gather, versions 1 to 13.
class Gather final : public Kernel {
 public:
  explicit Gather(int64_t axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& data = context.InputShape(0);
    TRY(const size_t axis, NormalizeAxis(axis_, data.size()));
    TRY(const std::vector<size_t> indices, ReadIndices(context, data[axis]));
    const auto at = data.begin() + static_cast<std::ptrdiff_t>(axis);
    Shape shape(data.begin(), at);
    const Shape& index_shape = context.InputShape(1);
    shape.insert(shape.end(), index_shape.begin(), index_shape.end());
    shape.insert(shape.end(), at + 1, data.end());
    TRY(Tensor * output, context.OutputToOverwrite(0, context.InputType(0), shape));
    if (output->byte_count() == 0) return {};
    const MutableByteSpan target = output->MutableBytes();
    if (axis == 0 && context.IsWeight(0)) {
      TRY(const weights::PanelStream rows, context.Panels(0));
      if (rows.weight().layout == weights::PanelLayout::kRows) {
        return GatherSealed(context.threads(), rows, indices, target);
      }
    }
    TRY(const TensorView view, context.Input(0));
    TRY(const size_t outer, CountBetween(data, 0, axis));
    GatherPlain(context.threads(), view, outer, static_cast<size_t>(data[axis]), indices, target);
    return {};
  }

 private:
  static void GatherPlain(Threads& threads, const TensorView& data, size_t outer, size_t extent,
                          const std::vector<size_t>& indices, MutableByteSpan target) {
    const size_t slice = data.bytes.size() / (outer * extent);
    threads.ParallelFor(
        outer * indices.size(), 16 * 1024 / slice + 1, [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) {
            const size_t row = i / indices.size() * extent + indices[i % indices.size()];
            std::copy_n(data.bytes.subspan(row * slice, slice).data(), slice,
                        target.subspan(i * slice, slice).data());
          }
        });
  }

  // Only chunks with rows that are asked for are opened, each row once for each thread.
  static Done GatherSealed(Threads& threads, const weights::PanelStream& rows,
                           const std::vector<size_t>& indices, MutableByteSpan target) {
    const size_t row_bytes = rows.weight().byte_count / rows.weight().extent();
    const size_t run = std::max<size_t>(kMostRunBytes / row_bytes, 1);
    std::vector<size_t> order(indices.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, {}, [&](size_t i) { return indices[i]; });
    return threads.TryParallelFor(order.size(), 1, [&](size_t begin, size_t end) -> Done {
      while (begin < end) {
        const size_t first = indices[order[begin]];
        size_t next = begin + 1;
        while (next < end && indices[order[next]] <= indices[order[next - 1]] + 1 &&
               indices[order[next]] < first + run) {
          ++next;
        }
        if (next < end) {
          const auto following = static_cast<int64_t>(indices[order[next]]);
          Prefetch(rows.SealedRows(following, following + 1));
        }
        TRY(const weights::OpenPanel open,
            rows.OpenRows(static_cast<int64_t>(first),
                          static_cast<int64_t>(indices[order[next - 1]] + 1)));
        for (; begin < next; ++begin) {
          const size_t row = indices[order[begin]] - first;
          std::copy_n(open.bytes().subspan(row * row_bytes, row_bytes).data(), row_bytes,
                      target.subspan(order[begin] * row_bytes, row_bytes).data());
        }
      }
      return {};
    });
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
