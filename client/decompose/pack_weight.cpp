#include "client/decompose/pack_weight.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "common/base/secret_bytes.h"
#include "common/wire/narrow_float.h"

namespace ephemeralml::decompose {
namespace {

constexpr size_t kRowsAtOnce = 64;

class Packer {
 public:
  Packer(BlobWriter& writer, const PackSource& source)
      : writer_(writer),
        source_(source),
        shape_(PackedShapeOf(source.dims, source.transposed, !source.bias.empty())),
        rows_(kRowsAtOnce * wire::kPanelColumns * sizeof(float)),
        halves_(kRowsAtOnce * wire::kPanelColumns * sizeof(uint16_t)) {
    static_assert(kRowsAtOnce % 2 == 0);
    CHECK(!source.paired || source.storage == wire::ElementType::kBfloat16);
    if (source.dims.size() == 4 || source.transposed) FindStepOffsets();
  }

  Done Run() {
    for (uint64_t panel = 0; panel < shape_.panel_count(); ++panel) {
      first_ = panel * wire::kPanelColumns;
      columns_ = shape_.ColumnsOf(panel);
      width_ = shape_.WidthOf(panel);
      if (shape_.has_bias) TRY_OK(AppendBias());
      for (uint64_t step = 0; step < shape_.steps; step += kRowsAtOnce) {
        const size_t count = std::min<size_t>(kRowsAtOnce, shape_.steps - step);
        std::memset(rows_.Fill().data(), 0, rows_.size());
        if (step_offsets_.empty()) {
          FillFromRows(step, count);
        } else {
          FillFromColumns(step, count);
        }
        TRY_OK(source_.paired ? AppendPairs(count) : Append(count * width_));
      }
    }
    return {};
  }

 private:
  // Where in a column's own elements each step's factor lies: blocks of input channels, then taps,
  // then the channels of the block. A transposed matrix is a kernel of one tap.
  void FindStepOffsets() {
    const bool is_kernel = source_.dims.size() == 4;
    const auto channels = static_cast<uint64_t>(source_.dims[1]);
    const auto taps =
        is_kernel ? static_cast<uint64_t>(source_.dims[2] * source_.dims[3]) : uint64_t{1};
    for (uint64_t block = 0; block < channels; block += wire::kLaneColumns) {
      const uint64_t lanes = std::min(wire::kLaneColumns, channels - block);
      for (uint64_t tap = 0; tap < taps; ++tap) {
        for (uint64_t lane = 0; lane < lanes; ++lane) {
          step_offsets_.push_back((block + lane) * taps + tap);
        }
      }
    }
  }

  Done AppendBias() {
    std::memset(rows_.Fill().data(), 0, width_ * sizeof(float));
    std::memcpy(rows_.Fill().data(), source_.bias.data() + first_, columns_ * sizeof(float));
    if (source_.paired) return writer_.Append(rows_.Reveal().first(width_ * sizeof(float)));
    return Append(width_);
  }

  // Two rows as one of words, the earlier step in the lower half; the row after an odd last one is
  // zeros. What is smaller than a normal number becomes zero, as it does where it is multiplied.
  Done AppendPairs(size_t rows) {
    const auto* values = reinterpret_cast<const float*>(rows_.Reveal().data());
    auto* halves = reinterpret_cast<uint16_t*>(halves_.Fill().data());
    const size_t pairs = (rows + 1) / 2;
    for (size_t pair = 0; pair < pairs; ++pair) {
      for (size_t i = 0; i < 2 * width_; ++i) {
        const float value = values[(2 * pair + i % 2) * width_ + i / 2];
        const uint16_t half = wire::Narrow(wire::kBfloat, value, {.saturate = false});
        if (std::isfinite(value) && (half & 0x7F80) == 0x7F80) return OutOfRange();
        *halves++ = (half & 0x7F80) == 0 ? half & 0x8000 : half;
      }
    }
    return writer_.Append(halves_.Reveal().first(pairs * width_ * sizeof(uint32_t)));
  }

  static Error OutOfRange() {
    return {Code::kInvalidArgument, "weight_out_of_range",
            "a weight is too large for the half-precision type that it should be stored in"};
  }

  // The first elements of the rows.
  Done Append(size_t count) {
    const ByteSpan floats = rows_.Reveal().first(count * sizeof(float));
    if (source_.storage == wire::ElementType::kFloat) return writer_.Append(floats);
    const auto* values = reinterpret_cast<const float*>(floats.data());
    auto* halves = reinterpret_cast<uint16_t*>(halves_.Fill().data());
    const wire::NarrowFloat& format = wire::FormatOf(source_.storage);
    for (size_t i = 0; i < count; ++i) {
      halves[i] = wire::Narrow(format, values[i], {.saturate = false});
      if (std::isfinite(values[i]) && !std::isfinite(wire::Widen(format, halves[i]))) {
        return OutOfRange();
      }
    }
    return writer_.Append(halves_.Reveal().first(count * sizeof(uint16_t)));
  }

  float ScaleOf(uint64_t column) const {
    return source_.column_scale.empty() ? 1.0f : source_.column_scale[first_ + column];
  }

  // A matrix whose rows are the steps'.
  void FillFromRows(uint64_t step, size_t count) {
    auto* target = reinterpret_cast<float*>(rows_.Fill().data());
    for (size_t row = 0; row < count; ++row, target += width_) {
      const uint64_t at = (step + row) * shape_.columns + first_;
      std::memcpy(target, source_.values.data() + at * sizeof(float), columns_ * sizeof(float));
      if (source_.column_scale.empty()) continue;
      for (uint64_t column = 0; column < columns_; ++column) target[column] *= ScaleOf(column);
    }
  }

  void FillFromColumns(uint64_t step, size_t count) {
    auto* target = reinterpret_cast<float*>(rows_.Fill().data());
    for (uint64_t column = 0; column < columns_; ++column) {
      const uint8_t* values =
          source_.values.data() + (first_ + column) * shape_.steps * sizeof(float);
      const float scale = ScaleOf(column);
      for (size_t row = 0; row < count; ++row) {
        float value;
        std::memcpy(&value, values + step_offsets_[step + row] * sizeof(float), sizeof value);
        target[row * width_ + column] = value * scale;
      }
    }
  }

  BlobWriter& writer_;
  const PackSource& source_;
  wire::PackedShape shape_;
  SecretBytes rows_;
  SecretBytes halves_;                  // the same, narrower
  std::vector<uint64_t> step_offsets_;  // by step; empty if steps are the source's own rows
  uint64_t first_ = 0;                  // of the panel: its first column
  uint64_t columns_ = 0;
  uint64_t width_ = 0;
};

}  // namespace

wire::PackedShape PackedShapeOf(std::span<const int64_t> dims, bool transposed, bool has_bias) {
  CHECK(dims.size() == 2 || dims.size() == 4);
  uint64_t elements = 1;
  for (const int64_t dim : dims) elements *= static_cast<uint64_t>(dim);
  CHECK(elements > 0);
  const bool columns_last = dims.size() == 2 && !transposed;
  const auto columns = static_cast<uint64_t>(columns_last ? dims[1] : dims[0]);
  return {.columns = columns, .steps = elements / columns, .has_bias = has_bias};
}

Done AppendPacked(BlobWriter& writer, const PackSource& source) {
  return Packer(writer, source).Run();
}

}  // namespace ephemeralml::decompose
