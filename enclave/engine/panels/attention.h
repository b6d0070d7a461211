#pragma once
// Attention of queries over keys, head by head: softmax(scale · Q·Kᵀ + mask) · V. Heads lie side by
// side in each row.

#include "common/base/arena.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine::panels {

/// Rows of activations: [batch, rows, heads * head_columns] without gaps.
struct AttentionShape {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t queries = 0;        ///< rows of Q and of the result
  int64_t keys = 0;           ///< rows of K and V
  int64_t head_columns = 0;   ///< of Q and K
  int64_t value_columns = 0;  ///< of V and of the result
};

/// Added to scaled scores. Strides in floats; 0 where one row serves all. Rows have a float a key.
struct AttentionMask {
  const float* values = nullptr;  ///< null: none
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t query_stride = 0;
};

struct AttentionOperands {
  const float* queries = nullptr;
  const float* keys = nullptr;
  const float* values = nullptr;
  AttentionMask mask;
  float scale = 1;
  float* result = nullptr;
};

/// Errors: kOverLimit `session_memory_exceeded`. Not from within a parallel region.
Done Attend(Threads& threads, Arena& arena, const AttentionShape& shape,
            const AttentionOperands& operands);

}  // namespace ephemeralml::engine::panels
