#include "enclave/engine/panels/attention.h"

#include <algorithm>

#include "enclave/engine/panels/attention_rows.h"
#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kPanel = 64;
// Rows of scores that are made together: they stay in the first cache or near it.
constexpr int64_t kBlockRows = 24;
constexpr int64_t kWorthAThread = 64 * 1024;

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// One thread's work on one head after the other.
class HeadWorker {
 public:
  HeadWorker(const AttentionShape& shape, const AttentionOperands& operands, float* scratch)
      : shape_(shape),
        operands_(operands),
        padded_keys_(RoundUp(shape.keys, 16)),
        padded_values_(RoundUp(shape.value_columns, 16)),
        turned_(scratch),
        scores_(turned_ + shape.head_columns * padded_keys_),
        padded_(scores_ + kBlockRows * padded_keys_) {}

  static size_t ScratchFloats(const AttentionShape& shape) {
    return static_cast<size_t>(RoundUp(shape.keys, 16) * (shape.head_columns + kBlockRows) +
                               shape.keys * RoundUp(shape.value_columns, 16));
  }

  void Run(int64_t batch, int64_t head) {
    const int64_t columns = shape_.heads * shape_.head_columns;
    const float* keys = operands_.keys + batch * shape_.keys * columns + head * shape_.head_columns;
    // The keys' transpose, in panels.
    for (int64_t first = 0; first < shape_.keys; first += kPanel) {
      const int64_t width = std::min(kPanel, padded_keys_ - first);
      Transpose(keys + first * columns, columns, std::min(width, shape_.keys - first),
                shape_.head_columns, turned_ + first * shape_.head_columns, width);
    }
    TakeValues(batch, head);
    for (int64_t row = 0; row < shape_.queries; row += kBlockRows) {
      RunRows(batch, head, row, std::min(kBlockRows, shape_.queries - row));
    }
  }

 private:
  void RunRows(int64_t batch, int64_t head, int64_t row, int64_t count) {
    const int64_t columns = shape_.heads * shape_.head_columns;
    const int64_t value_columns = shape_.heads * shape_.value_columns;
    const float* queries =
        operands_.queries + (batch * shape_.queries + row) * columns + head * shape_.head_columns;
    float* result = operands_.result + (batch * shape_.queries + row) * value_columns +
                    head * shape_.value_columns;
    MultiplyKeys({queries, scores_, nullptr, count}, columns);
    float sums[kBlockRows];
    for (int64_t r = 0; r < count; ++r) {
      const float* mask = operands_.mask.values;
      if (mask != nullptr) {
        mask += batch * operands_.mask.batch_stride + head * operands_.mask.head_stride +
                (row + r) * operands_.mask.query_stride;
      }
      sums[r] = ExponentiateRow(scores_ + r * padded_keys_, shape_.keys, operands_.scale, mask);
    }
    MultiplyValues({scores_, result, nullptr, count}, value_columns);
    for (int64_t r = 0; r < count; ++r) {
      ScaleRow(result + r * value_columns, shape_.value_columns, 1.0f / sums[r]);
    }
  }

  void MultiplyKeys(Rows rows, int64_t stride) const {
    const Segment segment{0, shape_.head_columns};
    Piece piece;
    piece.segments = {&segment, 1};
    piece.is_first = piece.is_last = true;
    const Strides strides = {stride, padded_keys_, 16};
    for (int64_t first = 0; first < padded_keys_; first += kPanel) {
      piece.width = piece.columns = piece.weights_stride = std::min(kPanel, padded_keys_ - first);
      piece.weights = turned_ + first * shape_.head_columns;
      Upcoming nothing;
      MultiplyPiece(piece, strides, rows, {}, nothing);
      rows.result += kPanel;
    }
  }

  // Values are read where they lie, unless their columns don't fill the last group: a kernel would
  // read past the last row's end.
  void TakeValues(int64_t batch, int64_t head) {
    values_stride_ = shape_.heads * shape_.value_columns;
    values_ = operands_.values + batch * shape_.keys * values_stride_ + head * shape_.value_columns;
    if (padded_values_ == shape_.value_columns) return;
    for (int64_t key = 0; key < shape_.keys; ++key) {
      std::copy_n(values_ + key * values_stride_, shape_.value_columns,
                  padded_ + key * padded_values_);
    }
    values_ = padded_;
    values_stride_ = padded_values_;
  }

  void MultiplyValues(Rows rows, int64_t stride) const {
    const Segment segment{0, shape_.keys};
    Piece piece;
    piece.segments = {&segment, 1};
    piece.is_first = piece.is_last = true;
    piece.weights_stride = values_stride_;
    const Strides strides = {padded_keys_, stride, 16};
    for (int64_t first = 0; first < shape_.value_columns; first += kPanel) {
      piece.columns = std::min(kPanel, shape_.value_columns - first);
      piece.width = RoundUp(piece.columns, 16);
      piece.weights = values_ + first;
      Upcoming nothing;
      MultiplyPiece(piece, strides, rows, {}, nothing);
      rows.result += kPanel;
    }
  }

  const AttentionShape& shape_;
  const AttentionOperands& operands_;
  int64_t padded_keys_;
  int64_t padded_values_;
  float* turned_;  // [panel, head_columns, the panel's width]
  float* scores_;  // [kBlockRows, padded_keys_]
  float* padded_;  // [keys, padded_values_], if needed
  const float* values_ = nullptr;
  int64_t values_stride_ = 0;
};

}  // namespace

Done Attend(Threads& threads, Arena& arena, const AttentionShape& shape,
            const AttentionOperands& operands) {
  const int64_t heads = shape.batch * shape.heads;
  if (heads == 0 || shape.queries == 0 || shape.keys == 0) return {};
  const int64_t work = shape.queries * shape.keys * (shape.head_columns + shape.value_columns + 16);
  return threads.TryParallelFor(
      static_cast<size_t>(heads), static_cast<size_t>(kWorthAThread / work + 1),
      [&](size_t begin, size_t end) -> Done {
        TRY(ArenaBlock scratch, arena.Allocate(HeadWorker::ScratchFloats(shape) * sizeof(float)));
        HeadWorker worker(shape, operands, reinterpret_cast<float*>(scratch.bytes().data()));
        for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
          worker.Run(i / shape.heads, i % shape.heads);
        }
        return {};
      });
}

}  // namespace ephemeralml::engine::panels
