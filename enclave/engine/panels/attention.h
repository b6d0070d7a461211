#pragma once
// Attention of queries over keys, head by head: softmax(scale · Q·Kᵀ + mask) · V.

#include "common/base/arena.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine::panels {

struct AttentionShape {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t key_heads = 0;      ///< of K and V: as many, or so many that as many heads share each
  int64_t queries = 0;        ///< rows of Q and of the result
  int64_t keys = 0;           ///< rows of K and V
  int64_t head_columns = 0;   ///< of Q and K
  int64_t value_columns = 0;  ///< of V and of the result
};

/// The rows of all heads, wherever they lie; a row's columns lie side by side. Strides in floats.
template <class T>
struct HeadRows {
  T* values = nullptr;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t row_stride = 0;

  T* At(int64_t batch, int64_t head, int64_t row) const {
    return values + batch * batch_stride + head * head_stride + row * row_stride;
  }
};

/// [batch, rows, heads * columns] without gaps.
template <class T>
HeadRows<T> SideBySide(T* values, int64_t rows, int64_t heads, int64_t columns) {
  return {values, rows * heads * columns, columns, heads * columns};
}
/// [batch, heads, rows, columns] without gaps.
template <class T>
HeadRows<T> HeadAfterHead(T* values, int64_t rows, int64_t heads, int64_t columns) {
  return {values, heads * rows * columns, rows * columns, columns};
}

/// Added to scaled scores. Strides in floats; 0 where one row serves all. Rows have a float a key.
struct AttentionMask {
  const float* values = nullptr;  ///< null: none
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t query_stride = 0;
};

/// Which keys a query sees, beyond what the mask says.
struct AttentionLimits {
  const int64_t* key_counts = nullptr;    ///< of each batch, up to `keys`; null: all
  const int64_t* first_places = nullptr;  ///< where each batch's first query stands among the keys,
                                          ///< so that later ones are hidden; null: none is
  int64_t window = 0;                     ///< the most keys up to its own; 0: any number
};

/// What is written of the scores, if anything.
enum class ScoreStage { kProducts, kCapped, kMasked, kWeights };

struct AttentionOperands {
  HeadRows<const float> queries;
  HeadRows<const float> keys;
  HeadRows<const float> values;
  HeadRows<float> result;
  AttentionMask mask;
  AttentionLimits limits;
  float scale = 1;
  float softcap = 0;             ///< scores are softcap · tanh(score / softcap); 0: as they are
  const float* sinks = nullptr;  ///< a score of each head that takes weight and gives no value
  float* scores = nullptr;       ///< [batch, heads, queries, keys], or null
  ScoreStage stage = ScoreStage::kProducts;
  bool in_bfloat16 = false;  ///< both products round their factors; sums stay float32
};

/// A query that sees no key, or that the mask hides all keys from, gets zeros.
/// Errors: kOverLimit `session_memory_exceeded`. Not from within a parallel region.
Done Attend(Threads& threads, Arena& arena, const AttentionShape& shape,
            const AttentionOperands& operands);

}  // namespace ephemeralml::engine::panels
