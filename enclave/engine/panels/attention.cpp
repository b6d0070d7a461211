#include "enclave/engine/panels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "enclave/engine/panels/attention_pairs.h"
#include "enclave/engine/panels/attention_rows.h"
#include "enclave/engine/panels/panel_shares.h"
#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kPanel = 64;
// Rows of scores that are made together: two of the highest tiles. They stay in the first cache or
// near it.
constexpr int64_t kBlockRows = 28;
constexpr int64_t kWorthAThread = 64 * 1024;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// One thread's work on one head after the other.
class HeadWorker {
 public:
  HeadWorker(const AttentionShape& shape, const AttentionOperands& operands, float* scratch)
      : shape_(shape),
        operands_(operands),
        padded_keys_(RoundUp(shape.keys, 16)),
        padded_values_(RoundUp(shape.value_columns, 16)),
        scores_(scratch),
        turned_(scores_ + kBlockRows * padded_keys_),
        padded_(turned_ + shape.head_columns * padded_keys_) {
    if (operands.in_bfloat16) paired_.emplace(shape, turned_);
  }

  static size_t ScratchFloats(const AttentionShape& shape, bool in_bfloat16) {
    const auto scores = static_cast<size_t>(kBlockRows * RoundUp(shape.keys, 16));
    if (in_bfloat16) return scores + PairedHead::ScratchFloats(shape, kBlockRows);
    return scores + static_cast<size_t>(RoundUp(shape.keys, 16) * shape.head_columns +
                                        shape.keys * RoundUp(shape.value_columns, 16));
  }

  void Run(int64_t batch, int64_t head) {
    const int64_t key_head = head / (shape_.heads / shape_.key_heads);
    if (batch != taken_batch_ || key_head != taken_head_) {
      Take(batch, key_head);
      taken_batch_ = batch;
      taken_head_ = key_head;
    }
    for (int64_t row = 0; row < shape_.queries; row += kBlockRows) {
      RunRows(batch, head, row, std::min(kBlockRows, shape_.queries - row));
    }
  }

 private:
  struct Range {
    int64_t first = 0;
    int64_t end = 0;
  };

  void Take(int64_t batch, int64_t key_head) {
    if (paired_) {
      const auto& keys = operands_.keys;
      const auto& values = operands_.values;
      paired_->Take(keys.At(batch, key_head, 0), keys.row_stride, values.At(batch, key_head, 0),
                    values.row_stride);
    } else {
      TakeKeys(batch, key_head);
      TakeValues(batch, key_head);
    }
  }

  // The keys' transpose, in panels.
  void TakeKeys(int64_t batch, int64_t key_head) {
    for (int64_t first = 0; first < shape_.keys; first += kPanel) {
      const int64_t width = std::min(kPanel, padded_keys_ - first);
      Transpose(operands_.keys.At(batch, key_head, first), operands_.keys.row_stride,
                std::min(width, shape_.keys - first), shape_.head_columns,
                turned_ + first * shape_.head_columns, width);
    }
  }

  // Values are read where they lie, unless their columns don't fill the last group: a kernel would
  // read past the last row's end.
  void TakeValues(int64_t batch, int64_t key_head) {
    values_stride_ = operands_.values.row_stride;
    values_ = operands_.values.At(batch, key_head, 0);
    if (padded_values_ == shape_.value_columns) return;
    for (int64_t key = 0; key < shape_.keys; ++key) {
      std::copy_n(values_ + key * values_stride_, shape_.value_columns,
                  padded_ + key * padded_values_);
    }
    values_ = padded_;
    values_stride_ = padded_values_;
  }

  void RunRows(int64_t batch, int64_t head, int64_t row, int64_t count) {
    float* result = operands_.result.At(batch, head, row);
    MultiplyKeys({operands_.queries.At(batch, head, row), scores_, nullptr, count});
    float sums[kBlockRows];
    for (int64_t r = 0; r < count; ++r) sums[r] = WeighRow(batch, head, row + r, r);
    const int64_t stride = operands_.result.row_stride;
    MultiplyValues({scores_, result, nullptr, count}, stride);
    DivideRows(result, stride, shape_.value_columns, sums, count);
  }

  Range Seen(int64_t batch, int64_t row) const {
    const AttentionLimits& limits = operands_.limits;
    Range seen = {0, shape_.keys};
    if (limits.key_counts != nullptr) seen.end = std::min(seen.end, limits.key_counts[batch]);
    if (limits.first_places != nullptr) {
      const int64_t next = limits.first_places[batch] + row + 1;
      seen.end = std::min(seen.end, next);
      if (limits.window > 0) seen.first = std::max<int64_t>(0, next - limits.window);
    }
    if (seen.first >= seen.end) return {0, 0};
    return seen;
  }

  // Makes products weights that aren't divided by their sum yet, which is returned.
  float WeighRow(int64_t batch, int64_t head, int64_t row, int64_t r) {
    float* scores = scores_ + r * padded_keys_;
    const float* mask = operands_.mask.values;
    if (mask != nullptr) {
      mask += batch * operands_.mask.batch_stride + head * operands_.mask.head_stride +
              row * operands_.mask.query_stride;
    }
    float* written = operands_.scores;
    if (written != nullptr) {
      written += ((batch * shape_.heads + head) * shape_.queries + row) * shape_.keys;
    }
    const Range seen = Seen(batch, row);
    float scale = operands_.scale;
    if (written != nullptr && operands_.stage == ScoreStage::kProducts) {
      for (int64_t i = 0; i < shape_.keys; ++i) written[i] = scores[i] * scale;
    }
    if (operands_.softcap > 0) {
      Cap(scores, scale);
      scale = 1;
    }
    if (written != nullptr) WriteScores(scores, scale, mask, seen, written);
    const int64_t count = seen.end - seen.first;
    RowSum sum = {0, 0};
    if (count > 0) {
      sum = ExponentiateRow(scores + seen.first, count, scale,
                            mask == nullptr ? nullptr : mask + seen.first);
    }
    std::fill(scores, scores + seen.first, 0.0f);
    std::fill(scores + seen.end, scores + shape_.keys, 0.0f);
    if (HidesAll(sum, mask, seen)) sum.sum = 0;
    if (operands_.sinks != nullptr && count > 0) {
      sum.sum += std::exp(operands_.sinks[head] - sum.most);
    }
    if (written != nullptr && operands_.stage == ScoreStage::kWeights) {
      const float factor = sum.sum == 0 ? 0 : 1.0f / sum.sum;
      for (int64_t i = 0; i < shape_.keys; ++i) written[i] = scores[i] * factor;
    }
    return sum.sum;
  }

  // Infinitely low scores leave no weights; all others, however low, leave equal ones.
  static bool HidesAll(const RowSum& sum, const float* mask, Range seen) {
    if (sum.most != std::numeric_limits<float>::lowest() || mask == nullptr) return false;
    return std::all_of(mask + seen.first, mask + seen.end,
                       [](float value) { return value == kHidden; });
  }

  void Cap(float* scores, float scale) const {
    const float most = operands_.softcap;
    for (int64_t i = 0; i < shape_.keys; ++i) {
      scores[i] = most * std::tanh(scores[i] * scale / most);
    }
  }

  void WriteScores(const float* scores, float scale, const float* mask, Range seen,
                   float* written) const {
    if (operands_.stage != ScoreStage::kCapped && operands_.stage != ScoreStage::kMasked) return;
    for (int64_t i = 0; i < shape_.keys; ++i) written[i] = scores[i] * scale;
    if (operands_.stage == ScoreStage::kCapped) return;
    for (int64_t i = 0; mask != nullptr && i < shape_.keys; ++i) written[i] += mask[i];
    std::fill(written, written + seen.first, kHidden);
    std::fill(written + seen.end, written + shape_.keys, kHidden);
  }

  void MultiplyKeys(Rows rows) const {
    if (paired_) {
      paired_->MultiplyKeys(rows.left, operands_.queries.row_stride, rows.count, rows.result);
      return;
    }
    const Segment segment{0, shape_.head_columns};
    Piece piece;
    piece.segments = {&segment, 1};
    piece.is_first = piece.is_last = true;
    const Strides strides = {operands_.queries.row_stride, padded_keys_, 16};
    for (int64_t first = 0; first < padded_keys_; first += kPanel) {
      piece.width = piece.columns = piece.weights_stride = std::min(kPanel, padded_keys_ - first);
      piece.weights = turned_ + first * shape_.head_columns;
      Upcoming nothing;
      MultiplyPiece(piece, strides, rows, {}, nothing);
      rows.result += kPanel;
    }
  }

  void MultiplyValues(Rows rows, int64_t stride) const {
    if (paired_) {
      paired_->MultiplyValues(rows.left, rows.count, rows.result, stride);
      return;
    }
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
  float* scores_;  // [kBlockRows, padded_keys_]
  float* turned_;  // [panel, head_columns, the panel's width]
  float* padded_;  // [keys, padded_values_], if needed
  std::optional<PairedHead> paired_;
  const float* values_ = nullptr;
  int64_t values_stride_ = 0;
  int64_t taken_batch_ = -1;  // whose keys and values are taken
  int64_t taken_head_ = -1;
};

}  // namespace

Done Attend(Threads& threads, Arena& arena, const AttentionShape& shape,
            const AttentionOperands& operands) {
  const int64_t heads = shape.batch * shape.heads;
  if (heads == 0 || shape.queries == 0 || shape.keys == 0) return {};
  if (heads > UINT32_MAX) {
    return Error{Code::kOverLimit, "size_overflow",
                 "attention over more heads than can be counted"};
  }
  const int64_t work = shape.queries * shape.keys * (shape.head_columns + shape.value_columns + 16);
  const int64_t most = std::min(heads, static_cast<int64_t>(threads.count()));
  const int64_t parts = std::clamp<int64_t>(heads / (kWorthAThread / work + 1), 1, most);
  std::vector<ItemQueue> queues(static_cast<size_t>(parts));
  for (int64_t i = 0; i < parts; ++i) {
    queues[static_cast<size_t>(i)].Set(heads * i / parts, heads * (i + 1) / parts);
  }
  const bool fills_vectors = shape.keys % 16 == 0 && shape.value_columns % 16 == 0;
  const auto run_part = [&](size_t part) -> Done {
    const size_t bytes = HeadWorker::ScratchFloats(shape, operands.in_bfloat16) * sizeof(float);
    TRY(ArenaBlock scratch,
        fills_vectors ? arena.AllocateToOverwrite(bytes) : arena.Allocate(bytes));
    HeadWorker worker(shape, operands, reinterpret_cast<float*>(scratch.bytes().data()));
    const auto run = [&](int64_t head) { worker.Run(head / shape.heads, head % shape.heads); };
    while (const std::optional<int64_t> head = queues[part].TakeFirst()) run(*head);
    for (size_t i = 1; i < queues.size(); ++i) {
      ItemQueue& other = queues[(part + i) % queues.size()];
      while (const std::optional<int64_t> head = other.TakeLast()) run(*head);
    }
    return {};
  };
  return threads.TryParallelFor(queues.size(), 1, [&](size_t begin, size_t end) -> Done {
    for (size_t part = begin; part < end; ++part) {
      if (Done done = run_part(part); !done) return done;
    }
    return {};
  });
}

}  // namespace ephemeralml::engine::panels
