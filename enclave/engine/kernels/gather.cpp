#include <algorithm>
#include <numeric>
#include <optional>

#include "enclave/engine/kernels/operands.h"
#include "enclave/weights/row_reader.h"

namespace ephemeralml::engine::kernels {
namespace {

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
      TRY(const weights::PanelStream table, context.Panels(0));
      if (table.weight().layout == weights::PanelLayout::kRows) {
        return GatherSealed(context, table, indices, target);
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

  // Where each of `parts` runs of lookups begins and ends, so that all take about as long: a lookup
  // takes its row's bytes, and a chunk's where it is the first one in it. Padding is one row again
  // and again.
  static std::vector<size_t> Share(const std::vector<size_t>& indices,
                                   const std::vector<size_t>& order, size_t parts, size_t row_bytes,
                                   size_t chunk_bytes) {
    std::vector<size_t> cost(order.size() + 1);
    const auto chunk_of = [&](size_t i) { return indices[order[i]] * row_bytes / chunk_bytes; };
    for (size_t i = 0; i < order.size(); ++i) {
      const bool opens = chunk_bytes > 0 && (i == 0 || chunk_of(i) != chunk_of(i - 1));
      cost[i + 1] = cost[i] + row_bytes + (opens ? chunk_bytes : 0);
    }
    std::vector<size_t> bounds;
    for (size_t part = 0; part <= parts; ++part) {
      const size_t until = cost.back() * part / parts;
      bounds.push_back(static_cast<size_t>(std::ranges::lower_bound(cost, until) - cost.begin()));
    }
    return bounds;
  }

  // Only chunks with rows that are asked for are opened, in their order, once for each thread.
  static Done GatherSealed(KernelContext& context, const weights::PanelStream& table,
                           const std::vector<size_t>& indices, MutableByteSpan target) {
    std::vector<size_t> order(indices.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, {}, [&](size_t i) { return indices[i]; });
    const size_t parts = std::min(context.threads().count(), order.size());
    const std::vector<size_t> bounds =
        Share(indices, order, parts, target.size() / order.size(), table.chunk_bytes());
    const auto run_part = [&](size_t part) -> Done {
      weights::RowReader reader = table.ReadRows(context.Window(part));
      const size_t end = bounds[part + 1];
      for (size_t i = bounds[part]; i < end; ++i) {
        std::optional<uint64_t> next;
        if (i + 1 < end) next = indices[order[i + 1]];
        TRY_OK(reader.Copy(indices[order[i]], next,
                           target.subspan(order[i] * reader.row_bytes(), reader.row_bytes())));
      }
      return {};
    };
    return context.threads().TryParallelFor(parts, 1, [&](size_t begin, size_t end) -> Done {
      for (size_t part = begin; part < end; ++part) {
        if (Done done = run_part(part); !done) return done;
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
